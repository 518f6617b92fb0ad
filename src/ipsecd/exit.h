#pragma once
/// The exit status of ipsecd. Each number has one meaning.
#include <array>
#include <string_view>

namespace ipseckey::ipsecd {

enum Exit { kEnded = 0, kFailed = 1, kUsage = 2 };

/// The explanation of one for help and the manual page.
struct ExitText {
  Exit status;
  std::string_view meaning;
};
inline constexpr std::array kExitTexts = {
    ExitText{kEnded, "stopped by a signal, or the requested output was printed"},
    ExitText{kFailed,
             "it could not serve, no ipsecd reported its status, or the requested output could not be written"},
    ExitText{kUsage, "wrong usage"},
};

}  // namespace ipseckey::ipsecd
