#pragma once
/// A file of commands, whatever it is written in, as its commands come.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"

namespace ipseckey::lang {

/// One command, of one or more lines of the file.
struct Line {
  enum class Kind : std::uint8_t {
    command,
    too_long,    ///< More than Source::kLongest bytes; its text is not kept.
    swallowed,   ///< A line that looks like a command, but belongs to a comment that ends in a backslash.
    faulty,      ///< It is not a valid command: Source::faults() says why.
    broken_off,  ///< As faulty, and nothing that follows it can be read.
    left_out,    ///< It is not a command and need not be one; Source::faults() says why.
    nothing,     ///< Neither a command nor a fault; perhaps only text that was skipped.
  };
  Kind kind = Kind::command;
  std::uint32_t number = 0;  ///< Of its first line, from 1.
  std::uint64_t start = 0;   ///< Offset in the file.
  std::uint32_t length = 0;
};

/// What is wrong with a line that is `too_long` or `swallowed`.
std::string reason(Line::Kind kind);

/// A place in a file of JSON.
struct JsonPlace {
  std::uint32_t line = 0;  ///< From 1.
  std::string pointer;     ///< To a member (RFC 6901), within the object if it is one of many; empty: the object.
};

/// What is wrong with a piece of JSON, so that there is no command.
struct SourceFault {
  JsonPlace place;
  std::string message;      ///< Without anything of the file.
  std::string detail = {};  ///< What of the file belongs behind it, harmless, and what was perhaps meant.
};

class Source {
 public:
  static constexpr std::size_t kLongest = 1 << 20;  ///< Bytes of one command.

  /// Reads into the buffer and returns the number of bytes; 0 at the end.
  using Fill = std::function<Result<std::size_t>(MutableBytes)>;

  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  virtual ~Source() = default;

  /// The next command; nullopt at the end. Fails when reading fails and where nothing more can be made out.
  virtual Result<std::optional<Line>> next() = 0;
  /// The command's text in the command language; not released yet. The view is valid until next().
  virtual std::string_view text(const Line& line) const = 0;
  /// Releases the text up to and including this line's. Until then it is kept, and so is what follows it; next()
  /// returns a line at least every few times kLongest bytes, so that memory stays small if lines are released.
  virtual void release(const Line& line) = 0;
  /// The place in the file of the word at an offset of that text; nullopt: the text is the file's own.
  virtual std::optional<JsonPlace> place(const Line& /*line*/, std::uint32_t /*at*/) const { return std::nullopt; }
  /// Why the last line that next() gave out is of a kind that says so.
  virtual std::span<const SourceFault> faults() const { return {}; }
};

/// Commands or JSON: whichever the file begins with. Reads up to its first character.
Result<std::unique_ptr<Source>> open_source(Source::Fill fill);

}  // namespace ipseckey::lang
