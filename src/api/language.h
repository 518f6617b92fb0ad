#pragma once
/// The command language and its JSON, both ways, without a SADB.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/export.h"
#include "base/result.h"
#include "pfkey/message.h"

namespace ipseckey {

/// What is wrong, or doubtful, in a text.
struct TextFault {
  bool warning = false;
  std::uint32_t line = 0;    ///< From 1; 0: the text cannot be read further, and `message` says where.
  std::uint32_t column = 0;  ///< From 1, in bytes; 0: not about one word.
  std::string
      pointer;  ///< In JSON: the member (RFC 6901), from the top of its line's value; empty: all of it, or not JSON.
  std::string message;  ///< Without a full stop, without key digits.
};

/// What a text asks for.
struct Commands {
  struct Request {
    pfkey::Message message;  ///< For Sadb::ask().
    std::uint32_t line = 0;  ///< Of its command, from 1.
  };
  std::vector<Request> requests;  ///< In the order of the text. A command that is faulty has none.
  std::vector<TextFault> faults;  ///< Likewise.

  /// Whether there is no error; there may be warnings.
  bool ok() const noexcept {
    for (const TextFault& fault : faults)
      if (!fault.warning) return false;
    return true;
  }
};

/// Where names of hosts, protocols and ports are looked up.
enum class Lookup : std::uint8_t {
  none,    ///< Nowhere: addresses and numbers only, and names of the usual protocols.
  system,  ///< /etc/hosts, DNS and the other name services. This can take seconds.
};

/// Reads a text as `ipseckey -f` reads a file: commands, or JSON objects as `ipseckey --json get` and `dump` print
/// them; the first character decides which. `authkey @FILE` is refused: read key files in your program. The text may
/// contain keys, so the caller wipes it. Error: io (out of memory).
IPSECKEY_API Result<Commands> read_commands(std::string_view text, Lookup lookup = Lookup::none) noexcept;

/// Writes the SAs in replies to GET and DUMP as text that read_commands() and `ipseckey -f` can read.
class IPSECKEY_API SaWriter {
 public:
  enum class Format : std::uint8_t {
    commands,  ///< As `ipseckey save` does.
    json,      ///< As `ipseckey --json dump` does: a line for each SA.
  };
  enum class Keys : std::uint8_t {
    shown,   ///< In hexadecimal digits.
    hidden,  ///< Lengths only; such a text cannot be read again.
  };

  /// `sadb` names, in JSON, the SADB that the SAs come from. Error: io (out of memory).
  static Result<SaWriter> create(Format format, Keys keys, std::string_view sadb) noexcept;

  SaWriter(SaWriter&&) noexcept;
  SaWriter& operator=(SaWriter&&) noexcept;
  ~SaWriter();

  /// Comments for the head of a file of commands; empty for JSON. Valid as long as this object.
  std::string_view header() const noexcept;

  /// One SA: lines that end in a newline, or a comment that says why the command language cannot express this SA. Valid
  /// until the next write(), when the memory is wiped. Error: io (out of memory).
  Result<std::string_view> write(pfkey::Message sa) noexcept;

  /// The number of SAs that became comments.
  std::size_t left_out() const noexcept;

 private:
  struct State;
  explicit SaWriter(std::unique_ptr<State> state) noexcept;

  std::unique_ptr<State> state_;
};

}  // namespace ipseckey
