#pragma once
/// The exit status of ipsecd. Each number means one thing.
#include <array>
#include <string_view>

namespace ipsecd {

enum Exit { kEnded = 0, kFailed = 1, kUsage = 2 };

/// What help and the manual page say of one.
struct ExitText {
  Exit status;
  std::string_view meaning;
};
inline constexpr std::array kExitTexts = {
    ExitText{kEnded, "ended by a signal, or all is said that was asked for"},
    ExitText{kFailed, "it could not serve, no ipsecd tells its status, or what was asked for could not be written"},
    ExitText{kUsage, "wrong usage"},
};

}  // namespace ipsecd
