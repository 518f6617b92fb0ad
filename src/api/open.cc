#include "api/open.h"

#include <fmt/format.h>

#include <utility>

#include "backend/memory.h"
#include "backend/memory_spd.h"
#include "backend/socket.h"
#include "backend/socket_spd.h"
#include "kernel/check.h"
#include "kernel/policies.h"
#include "kernel/trial.h"
#include "kernel/xfrm.h"
#include "pfkey/units.h"
#include "system/clock.h"
#include "system/local_addresses.h"
#include "system/socket_path.h"

namespace ipseckey::api {
namespace {

constexpr std::string_view kPathPrefix = "ipsecd:";

Result<std::unique_ptr<backend::Backend>> at(std::string path, const Surroundings& around) {
  auto socket = backend::Socket::connect(std::move(path), backend::Socket::kPatience, around.stop_fd);
  if (!socket) return std::unexpected(std::move(socket.error()));
  return std::move(*socket);
}

Result<std::unique_ptr<backend::Backend>> open_kernel(const Surroundings& around) {
  auto opened = kernel::Xfrm::open(kernel::xfrm_world(around.clock));
  if (!opened) return std::unexpected(std::move(opened.error()));
  return std::move(*opened);
}

// If neither is available, says why for both, not only the first failure.
Result<std::unique_ptr<backend::Backend>> automatic(const Surroundings& around) {
  auto socket = at(around.socket, around);
  if (socket || socket.error().code != Errc::unreachable) return socket;
  const std::string missing = around.kernel_lacks ? around.kernel_lacks() : "this kernel was not checked";
  if (missing.empty()) return open_kernel(around);
  return fail(
      Errc::unreachable,
      fmt::format("no SADB is available: no ipsecd answers at {}, and {}; start ipsecd with `ipsecd --socket {}`",
                  pfkey::escaped(around.socket), missing, pfkey::escaped(around.socket)));
}

Result<std::unique_ptr<backend::Spd>> open_kernel_spd(const Surroundings& around) {
  auto opened = kernel::KernelSpd::open(around.policies ? around.policies() : kernel::policy_world());
  if (!opened) return std::unexpected(std::move(opened.error()));
  return std::move(*opened);
}

// An ipsecd that carries no packets does not count: rules would have no effect there.
Result<std::unique_ptr<backend::Spd>> automatic_spd(const Surroundings& around) {
  auto socket = backend::SocketSpd::connect(around.socket);
  if (!socket && socket.error().code == Errc::unreachable) return open_kernel_spd(around);
  if (!socket) return std::unexpected(std::move(socket.error()));
  const auto idle = (*socket)->idle();
  if (!idle) return std::unexpected(idle.error());
  if (idle->empty()) return std::move(*socket);
  auto opened = open_kernel_spd(around);
  if (!opened)
    return fail(opened.error().code, fmt::format("no database of rules is available: {}; and of the kernel: {}", *idle,
                                                 opened.error().text));
  return opened;
}

std::unexpected<Error> unknown(std::string_view where) {
  // A key may be here by mistake.
  const bool echo = where.size() < 8 || where.find_first_not_of("0123456789abcdefABCDEFxX/") != std::string_view::npos;
  return fail(Errc::syntax, fmt::format("Unknown SADB {}: expected ipsecd, ipsecd:PATH, kernel, memory or auto",
                                        echo ? fmt::format("'{}'", pfkey::escaped(where)) : "(not shown)"));
}

}  // namespace

Surroundings surroundings() {
  return {default_socket_path(),
          system_now,
          [] { return kernel::kernel_lacks(kernel::KernelFiles(), kernel::connect_to_kernel); },
          -1,
          [] { return own_addresses([now = system_now()] { return now; }); },
          [] { return kernel::xfrm_world(system_now); },
          kernel::policy_world};
}

Result<std::unique_ptr<backend::Backend>> open_sadb(std::string_view where, const Surroundings& around) {
  if (where == "auto") return automatic(around);
  if (where == "ipsecd") return at(around.socket, around);
  if (where.starts_with(kPathPrefix)) return at(std::string(where.substr(kPathPrefix.size())), around);
  if (where == "memory") return std::make_unique<backend::Memory>(engine::Options{}, around.clock);
  if (where == "kernel") return open_kernel(around);
  return unknown(where);
}

Result<std::unique_ptr<backend::Spd>> open_spd(std::string_view where, const Surroundings& around) {
  if (where == "auto") return automatic_spd(around);
  if (where == "kernel") return open_kernel_spd(around);
  if (where == "memory") return std::make_unique<backend::MemorySpd>(around.clock);
  const bool path = where.starts_with(kPathPrefix);
  if (where != "ipsecd" && !path) return unknown(where);
  auto opened = backend::SocketSpd::connect(path ? std::string(where.substr(kPathPrefix.size())) : around.socket);
  if (!opened) return std::unexpected(std::move(opened.error()));
  return std::move(*opened);
}

std::unique_ptr<backend::Backend> open_scratch(const Surroundings& around, Scratch kind) {
  engine::Options options;
  if (around.own_addresses) options.is_local = around.own_addresses();
  options.only_asked_directions = true;
  options.usable = std::move(kind.usable);
  // The clock stops, because no SA of a file may age while the rest of the file is read.
  const auto clock = [now = around.clock()] { return now; };
  if (kind.rules == backend::Rules::kernel)
    return kernel::open_check(std::move(options), clock,
                              around.xfrm ? around.xfrm() : kernel::xfrm_world(around.clock));
  options.dry_run = !kind.whole;
  return std::make_unique<backend::Memory>(std::move(options), clock);
}

}  // namespace ipseckey::api
