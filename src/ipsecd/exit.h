#pragma once
/// The exit status of ipsecd. Each number means one thing.
#include <array>
#include <string_view>

namespace ipseckey::ipsecd {

enum Exit { kEnded = 0, kFailed = 1, kUsage = 2 };

/// The text of help and the manual page for one.
struct ExitText {
  Exit status;
  std::string_view meaning;
};
inline constexpr std::array kExitTexts = {
    ExitText{kEnded, "stopped by a signal, or the requested output was printed"},
    ExitText{kFailed, "it could not serve, no ipsecd reports its status, or the requested output could not be written"},
    ExitText{kUsage, "wrong usage"},
};

}  // namespace ipseckey::ipsecd
