#pragma once
/// Errors as values: every function that can fail returns a Result.
#include <cstdint>
#include <expected>
#include <string>
#include <utility>

namespace ipseckey {

/// The kind of failure. The exit status depends on this and on nothing else.
enum class Errc : std::uint8_t {
  syntax,       ///< The input is not valid in the language.
  invalid,      ///< Well formed, but a value cannot be right.
  exists,       ///< It exists already.
  not_found,    ///< It does not exist.
  denied,       ///< Permission is missing.
  unsupported,  ///< This system does not support it.
  malformed,    ///< Bytes from outside violate their format.
  unreachable,  ///< No SADB answers.
  timeout,      ///< The SADB did not answer in time.
  io,           ///< A file or socket failed.
};

/// A failure for a person to read. `text` never holds key material.
struct Error {
  Errc code;
  std::string text;
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Errc code, std::string text) {
  return std::unexpected<Error>(Error{code, std::move(text)});
}

}  // namespace ipseckey
