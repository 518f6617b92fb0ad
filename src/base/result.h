#pragma once
/// Errors as values: what every function that can fail gives back.
#include <cstdint>
#include <expected>
#include <string>
#include <utility>

namespace ipseckey {

/// What went wrong, coarsely. The exit status depends on this and on nothing else.
enum class Errc : std::uint8_t {
  syntax,       ///< What was typed or read is not the language.
  invalid,      ///< Well formed, but a value cannot be right.
  exists,       ///< It is there already.
  not_found,    ///< It is not there.
  denied,       ///< Permission is missing.
  unsupported,  ///< This system cannot do it.
  malformed,    ///< Bytes from outside break their format.
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
