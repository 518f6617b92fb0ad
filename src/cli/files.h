#pragma once
/// Files that hold keys, or rules: reading reports who else can access them; writing is atomic and for the owner only.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "system/descriptor.h"

namespace ipseckey::cli {

/// What is done about a file of keys that others can access.
enum class Care : bool {
  warn,    ///< It is used, with reservations.
  refuse,  ///< It is not, and neither is one in a folder that others can read or write, nor a symbolic link.
};

/// What may be opened beside a regular file. Nothing else is: to open a device can set it going.
enum class Pipes : std::uint8_t {
  none,      ///< Not standard input either: `-` is a name like any other.
  nameless,  ///< A pipe of the shell, `<(decrypt FILE)`, and standard input, which is `-`.
  named,     ///< A FIFO, too, whose owner and mode are checked; its other end may not be open yet.
};

/// What is in a file, and so what others must not do with it.
enum class Holds : std::uint8_t {
  keys,   ///< Read or write it.
  rules,  ///< Write it; everybody may read them.
};

/// A file of commands, of a key or of rules, open for reading.
class InputFile {
 public:
  /// `shown`: its name for messages, harmless on a terminal; empty: the path, escaped. Never waits. Errors: denied, io,
  /// invalid (it is not safe). The owner and the mode are those of what was opened, however the name changes meanwhile.
  static Result<InputFile> open(const std::string& path, Care care, Pipes pipes, const std::string& shown = {},
                                Holds holds = Holds::keys);

  const std::string& name() const { return name_; }
  const std::string& shown() const { return shown_; }  ///< Harmless on a terminal.
  /// Why keys are not safe in this file: readable or writable by others, a strange owner, a network file system.
  const std::vector<std::string>& reservations() const { return reservations_; }
  std::uint64_t size() const { return size_; }  ///< Bytes when it was opened; 0 of a pipe.
  /// As lang::LineReader::Fill wants it. A held signal (HeldSignals) ends the wait for more, as an error.
  Result<std::size_t> read(MutableBytes out);

 private:
  std::string name_, shown_;
  Descriptor fd_;
  std::vector<std::string> reservations_;
  std::uint64_t size_ = 0;
};

/// A file that appears under its name whole and on disk, or not at all: a new 0600 file without a name, which gets one
/// at the end. Where the file system has no such files it is named PATH.XXXXXX until then, and left over if the process
/// is killed.
class OutputFile {
 public:
  /// Refuses a target that is a link, a directory or anything else but a regular file.
  static Result<OutputFile> create(const std::string& path);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();  ///< Without commit(): the target is untouched and nothing is left over.

  Result<void> write(std::string_view text);
  /// Flushes to disk and gives the file its name.
  Result<void> commit();

 private:
  OutputFile() = default;
  bool give_name();

  std::string path_;
  std::string temporary_;  // Its name until it has its own; empty: it has none.
  Descriptor fd_;
};

}  // namespace ipseckey::cli
