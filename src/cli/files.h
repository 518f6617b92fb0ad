#pragma once
/// Files that hold keys: read with a look at who else can, written so that nobody else can and never by half.
#include <csignal>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace cli {

/// A file descriptor that is closed with its owner.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int get() const { return fd_; }
  int release();

 private:
  int fd_ = -1;
};

/// A file of commands, open for reading. `-` is standard input.
class InputFile {
 public:
  static Result<InputFile> open(const std::string& path);

  const std::string& name() const { return name_; }
  /// What makes the file a poor place for keys: readable or writable by others, a strange owner, a network file system.
  const std::vector<std::string>& reservations() const { return reservations_; }
  /// As lang::LineReader::Fill wants it.
  Result<std::size_t> read(MutableBytes out);

 private:
  std::string name_;
  Descriptor fd_;
  std::vector<std::string> reservations_;
};

/// Holds back the signals that end a process (INT, TERM, HUP) while it lives; then they have their way.
class HeldSignals {
 public:
  HeldSignals();
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;
  ~HeldSignals();

  bool one_came() const;

 private:
  sigset_t before_{};
};

/// A file that appears under its name whole and on disk, or not at all: a new 0600 file beside it, renamed at the end.
/// `-` is standard output, which is written as it comes.
class OutputFile {
 public:
  /// Refuses a link, a directory, and anything else that is no regular file in the target's place.
  static Result<OutputFile> create(const std::string& path);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();  ///< Without commit(): the target is untouched and nothing is left over.

  Result<void> write(std::string_view text);
  /// Flushes to disk and puts the file in its place.
  Result<void> commit();
  bool is_stdout() const { return temporary_.empty(); }

 private:
  OutputFile() = default;

  std::unique_ptr<HeldSignals> held_;  // First, so that a signal ends the process when nothing is left to clean up.
  std::string path_;
  std::string temporary_;
  Descriptor fd_;
};

}  // namespace cli
