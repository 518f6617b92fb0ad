#pragma once
/// SAs as commands that load() reads: the inverse of parse and request, lossless (doc/design.md, "save").
#include <cstdint>
#include <set>
#include <string>
#include <tuple>

#include "base/secret_text.h"
#include "lang/spec.h"
#include "pfkey/message.h"

namespace lang {

/// Writes the SAs of one DUMP, in its order. Keeps only what pairs need: of two paired SAs the second names the first,
/// because a pair must exist when it is named.
class Saver {
 public:
  /// paranoid: an X for each key digit; the first line then says that the file cannot be loaded.
  explicit Saver(bool paranoid) : paranoid_(paranoid) {}

  /// The comment at the head of the file.
  std::string header() const;
  /// One SA as an `add` command, or a comment that says why there is none: what the language cannot say, and what a
  /// load would refuse, is left out whole, because the rest would be another SA. Takes the keys out of `sa`.
  void write(pfkey::Message&& sa, SecretText& out);
  /// SAs that were left out; larval ones do not count.
  std::size_t left_out() const { return left_out_; }
  /// Why the last of them could not.
  const std::string& reason() const { return reason_; }

 private:
  using Name = std::tuple<pfkey::SaType, std::uint32_t, Address, Address>;  // Type, SPI, source, destination.

  bool paranoid_;
  std::size_t left_out_ = 0;
  std::string reason_;
  std::set<Name> waiting_;  // Paired SAs that were written and whose partner was not yet.
};

/// "keyword value" for each member that is set, in the order of the table, broken into lines of at most 80 columns that
/// end in a backslash.
void write_spec(const SaSpec& spec, bool paranoid, SecretText& out);

}  // namespace lang
