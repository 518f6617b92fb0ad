// ipseckey: manually manipulate an IPsec Security Association Database.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <new>
#include <string_view>

#include "api/names.h"
#include "api/open.h"
#include "apply/owner_rows.h"
#include "cli/program.h"
#include "cli/this_host.h"
#include "system/held_signals.h"
#include "system/hidden_memory.h"
#include "system/standard_descriptors.h"
#include "system/status_client.h"

using namespace ipseckey;

namespace {

void harden() {
  hide_memory();
  signal(SIGXFSZ, SIG_IGN);  // A file that may not grow is an error of writing.
}

// No orderly end is possible then. Messages already sent stay in force; a file being saved has no name yet.
[[noreturn]] void out_of_memory() {
  constexpr std::string_view kSaid = "ipseckey: out of memory; the rest was not done\n";
  [[maybe_unused]] const auto said = write(STDERR_FILENO, kSaid.data(), kSaid.size());
  _exit(static_cast<int>(cli::Status::failed));
}

// A reader of standard output that goes away ends the program as it ends any filter, but not in the middle of
// something.
class LateSigpipe {
 public:
  LateSigpipe() : before_(signal(SIGPIPE, SIG_IGN)) {}
  void have_its_way() const {
    signal(SIGPIPE, before_);
    raise(SIGPIPE);  // Nothing, if our parent wants it ignored: then the exit status tells.
  }

 private:
  void (*before_)(int);
};

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value ? value : "";
}

cli::World this_world(cli::Console& console) {
  api::Surroundings around = api::surroundings();
  around.stop_fd = HeldSignals::fd();
  return {
      .console = console,
      .names = api::system_names(),
      .host_name = api::host_namer(),
      .protocol_name = api::protocol_name,
      .clock = around.clock,
      .pid = static_cast<std::uint32_t>(getpid()),
      .open = [around](const std::string& where) { return api::open_sadb(where, around); },
      .view_kernel = kernel::view_kernel,
      .open_scratch = [around](api::Scratch kind) { return api::open_scratch(around, kind); },
      .host = [clock = around.clock] { return cli::this_host(clock()); },
      .credentials = environment("CREDENTIALS_DIRECTORY"),
      .owner_rows =
          apply::owner_rows_path(geteuid() == 0, environment("RUNTIME_DIRECTORY"), environment("XDG_RUNTIME_DIR")),
      .open_spd = [around](const std::string& where) { return api::open_spd(where, around); },
      .view_policies = [] { return kernel::view_policies(); },
      .ask_status = ask_status,
  };
}

}  // namespace

int main(int argc, char** argv) {
  if (!hold_standard_descriptors()) return static_cast<int>(cli::Status::file);
  harden();
  std::set_new_handler(out_of_memory);
  const LateSigpipe sigpipe;
  cli::Console console;
  const auto status =
      cli::run_program({argv[0], {argv + 1, argv + argc}, std::getenv("IPSECKEY_SADB")}, this_world(console));
  if (console.reader_gone()) sigpipe.have_its_way();
  return static_cast<int>(status);
}
