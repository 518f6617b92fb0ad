// ipsecd: the SADB as a daemon.
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/socket_path.h"
#include "ipsecd/daemon.h"
#include "ipsecd/options.h"

namespace {

enum Exit { kEnded = 0, kFailed = 1, kUsage = 2 };

void log(std::string_view line) { fmt::print(stderr, "ipsecd: {}\n", line); }

// The memory of this process is keys: nobody else's debugger, no core dump, no file that others can read.
void harden() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  umask(077);
}

// Each client is a descriptor; the usual soft limit is no more than their number.
void allow_many_files() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

Result<ipsecd::Listener> listener_for(const ipsecd::Options& options) {
  auto handed = ipsecd::Listener::handed_over();
  if (!handed || *handed) return handed;
  if (options.socket) return ipsecd::Listener::at(*options.socket);
  return ipsecd::Listener::at_default(default_socket_path(geteuid() == 0, std::getenv("XDG_RUNTIME_DIR")));
}

Result<void> serve(const ipsecd::Options& options) {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  sigprocmask(SIG_BLOCK, &ending, nullptr);

  const auto listener = listener_for(options);
  if (!listener) return std::unexpected(listener.error());
  const auto daemon = ipsecd::Daemon::make(*listener, log);
  if (!daemon) return std::unexpected(daemon.error());
  if (auto r = (*daemon)->stop_on_signals(); !r) return r;
  log(fmt::format("serving {}", listener->path()));
  sd_notify(0, fmt::format("READY=1\nSTATUS=serving {}", listener->path()).c_str());
  auto ended = (*daemon)->run();
  sd_notify(0, "STOPPING=1");
  return ended;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  const auto options = ipsecd::parse_options(words);
  if (!options) {
    log(options.error().text);
    return kUsage;
  }
  switch (options->what) {
    case ipsecd::Options::Do::help:
      fmt::print("{}", ipsecd::help_text());
      return kEnded;
    case ipsecd::Options::Do::version:
      fmt::print("ipsecd {}\n", IPSECKEY_VERSION);
      return kEnded;
    case ipsecd::Options::Do::serve:
      break;
  }
  harden();
  allow_many_files();
  if (const auto ended = serve(*options); !ended) {
    log(ended.error().text);
    return kFailed;
  }
  return kEnded;
}
