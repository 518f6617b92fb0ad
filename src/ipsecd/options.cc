#include "ipsecd/options.h"

#include <fmt/format.h>

namespace ipsecd {
namespace {

constexpr std::string_view kSocket = "--socket";

}  // namespace

Result<Options> parse_options(std::span<const std::string_view> words) {
  Options options;
  const auto set_socket = [&](std::string_view path) -> Result<void> {
    if (options.socket) return fail(Errc::syntax, "--socket stands twice: one socket is served");
    if (path.empty()) return fail(Errc::syntax, "--socket needs a path");
    options.socket = path;
    return {};
  };
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    Result<void> done;
    if (word == "--help" || word == "-h") {
      options.what = Options::Do::help;
    } else if (word == "--version" || word == "-V") {
      options.what = Options::Do::version;
    } else if (word == kSocket) {
      done = set_socket(i + 1 < words.size() ? words[++i] : std::string_view());
    } else if (word.starts_with("--socket=")) {
      done = set_socket(word.substr(kSocket.size() + 1));
    } else if (word != "--owner-only" && word != "--foreground") {  // Both are the only way there is.
      done = fail(Errc::syntax, fmt::format("Unknown word '{}': expected --socket PATH, --help or --version", word));
    }
    if (!done) return std::unexpected(done.error());
  }
  return options;
}

std::string_view help_text() {
  return R"(usage: ipsecd [--socket PATH]

Keeps a database of IPsec security associations and serves it as PF_KEY v2 messages
over a Unix socket, in the foreground, until SIGTERM or SIGINT.

  --socket PATH   where to listen; default: /run/ipsecd/pfkey.sock, without root
                  $XDG_RUNTIME_DIR/ipsecd/pfkey.sock (their folder is made if need be)
  --owner-only    serve root and the user who runs ipsecd only; this is always so
  --foreground    do not go into the background; this is always so
  --help          print this text
  --version       print the version

Under systemd it says when it is ready (Type=notify) and takes over the socket of a
socket unit (ListenSequentialPacket=).

Exit status: 0 ended by a signal, 1 it could not serve, 2 wrong usage.
)";
}

}  // namespace ipsecd
