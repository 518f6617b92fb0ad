#pragma once
/// The SAs of a DUMP as a file: lang/savable.h decides which SAs and in which order; a SaveFormat
/// decides how they look.
/// kCommandFormat is the inverse of parse and request, lossless (doc/explanation/design.md, "save").
#include <string>

#include "base/secret_text.h"
#include "lang/savable.h"
#include "lang/spec.h"
#include "pfkey/message.h"

namespace ipseckey::lang {

/// How a file of SAs looks.
struct SaveFormat {
  /// The head of the file. paranoid: keys are hidden, so it says that it cannot be loaded.
  std::string (*header)(bool paranoid);
  /// One SA. paranoid: an X for each key digit.
  void (*sa)(const SavableSa& sa, bool paranoid, SecretText& out);
  /// The comment in the place of one that is left out: why it is.
  void (*left_out)(const UnsavableSa& sa, SecretText& out);
};

/// Commands that load() reads.
extern const SaveFormat kCommandFormat;

/// Writes the SAs of one DUMP, in its order, in any format.
class Saver {
 public:
  Saver(const SaveFormat& format, bool paranoid) : format_(format), paranoid_(paranoid) {}

  std::string header() const { return format_.header(paranoid_); }
  /// One SA, or the comment that says why there is none. Takes the keys out of `sa`.
  void write(pfkey::Message&& sa, SecretText& out);
  /// SAs that were left out; larval ones do not count.
  std::size_t left_out() const { return left_out_; }
  /// Why the last of them could not be written.
  const std::string& reason() const { return reason_; }

 private:
  const SaveFormat& format_;
  bool paranoid_;
  std::size_t left_out_ = 0;
  std::string reason_;
  PairOrder order_;
};

/// "keyword value" for each member that is set, in the order of the table, broken into lines of at most 80 columns that
/// end in a backslash.
void write_spec(const SaSpec& spec, bool paranoid, SecretText& out);

}  // namespace ipseckey::lang
