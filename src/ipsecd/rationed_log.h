#pragma once
/// Log lines that strangers can cause at will: of each kind one a second, and then how many there were.
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace ipseckey::ipsecd {

class RationedLog {
 public:
  enum class Kind : std::uint8_t {
    stranger,  ///< Who is not served at all.
    crowd,     ///< Who is one too many.
    failure,   ///< What the system refuses when a client comes.
  };
  static constexpr std::size_t kKinds = 3;
  static constexpr std::chrono::seconds kPause{1};

  using Log = std::function<void(std::string_view)>;

  explicit RationedLog(Log log) : log_(std::move(log)) {}

  /// Logs the line at once if it is the first of its kind for a second; else it waits for settle(), and only the last
  /// one that waits is kept. `now` is of the steady clock.
  void say(Kind kind, std::string line, std::chrono::nanoseconds now);
  /// Logs what has waited for its second: the last line of its kind and the number of those that were left out.
  void settle(std::chrono::nanoseconds now);
  /// When settle() has something to do; nullopt: never.
  std::optional<std::chrono::nanoseconds> deadline() const;

 private:
  struct Waiting {
    std::optional<std::chrono::nanoseconds> logged;  // When one of the kind was logged last.
    std::string last;
    std::uint64_t count = 0;  // That wait.
  };

  Log log_;
  std::array<Waiting, kKinds> kinds_;
};

}  // namespace ipseckey::ipsecd
