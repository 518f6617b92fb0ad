#pragma once
/// Log lines that strangers can cause at will: one per second of each kind, then the number of suppressed ones.
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
    stranger,  ///< Clients that are not served at all.
    crowd,     ///< Clients beyond a limit.
    failure,   ///< Errors of the system when a client connects.
  };
  static constexpr std::size_t kKinds = 3;
  static constexpr std::chrono::seconds kPause{1};

  using Log = std::function<void(std::string_view)>;

  explicit RationedLog(Log log) : log_(std::move(log)) {}

  /// Logs the line at once if it is the first of its kind for a second; otherwise it waits for settle(), and only the
  /// latest waiting line is kept. `now` is from the steady clock.
  void say(Kind kind, std::string line, std::chrono::nanoseconds now);
  /// Logs the lines whose second has passed: the latest of each kind and the number of those left out.
  void settle(std::chrono::nanoseconds now);
  /// When settle() must be called; nullopt: never.
  std::optional<std::chrono::nanoseconds> deadline() const;

 private:
  struct Waiting {
    std::optional<std::chrono::nanoseconds> logged;  // When a line of the kind was last logged.
    std::string last;
    std::uint64_t count = 0;  // The number of waiting lines.
  };

  Log log_;
  std::array<Waiting, kKinds> kinds_;
};

}  // namespace ipseckey::ipsecd
