// ipseckey: manually manipulate an IPsec Security Association Database.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "backend/open.h"
#include "cli/names.h"
#include "cli/program.h"

namespace {

// Keys are in this process' memory: no core dump, no other user's debugger.
void harden() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  signal(SIGPIPE, SIG_IGN);  // A reader that goes away is an error of writing,
  signal(SIGXFSZ, SIG_IGN);  // and so is a file that may not grow.
}

cli::World this_world(cli::Console& console) {
  const backend::Surroundings around = backend::surroundings();
  return {
      .console = console,
      .names = cli::system_names(),
      .host_name = cli::host_namer(),
      .protocol_name = cli::protocol_name,
      .clock = around.clock,
      .pid = static_cast<std::uint32_t>(getpid()),
      .open = [around](const std::string& where) { return backend::open(where, around); },
      .open_scratch = [around] { return backend::open_scratch(around); },
  };
}

}  // namespace

int main(int argc, char** argv) {
  harden();
  cli::Console console;
  return static_cast<int>(
      cli::run_program({argv[0], {argv + 1, argv + argc}, std::getenv("IPSECKEY_SADB")}, this_world(console)));
}
