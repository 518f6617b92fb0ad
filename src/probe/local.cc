#include "probe/local.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <charconv>
#include <sstream>

#include "base/json_tree.h"
#include "kernel/facts.h"
#include "pfkey/units.h"
#include "system/descriptor.h"
#include "system/errno_text.h"
#include "system/unix_address.h"

namespace ipseckey::probe {
namespace {

using prove::Database;

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// The kernel's reverse-path filter counts beside TCP's: a line of names, and one of numbers.
void add_reverse_path(const kernel::KernelFiles& files, prove::Counters& counters) {
  std::string names;
  for (const std::string& line : files.lines("/proc/net/netstat")) {
    if (!line.starts_with("TcpExt:")) continue;
    if (names.empty()) {
      names = line;
      continue;
    }
    std::istringstream name(names), value(line);
    std::string n, v;
    while (name >> n && value >> v)
      if (n == "IPReversePathFilter") counters[n] = number(v);
  }
}

Result<std::string> ask(const std::string& path) {
  const std::string shown = pfkey::escaped(path);
  const auto address = UnixAddress::of(path, shown);
  if (!address) return std::unexpected(address.error());
  const Descriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  constexpr timeval kPatience{2, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  constexpr std::string_view kRequest = "json\n";
  if (connect(fd.get(), address->get(), address->size()) != 0 ||
      send(fd.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL) < 0)
    return fail(errno == EACCES ? Errc::denied : Errc::unreachable,
                fmt::format("ipsecd's status at {} cannot be read: {}", shown, errno_text(errno)));
  std::string text;
  std::array<char, 4096> some{};
  ssize_t got = 0;
  constexpr std::size_t kMost = 1 << 16;
  while (text.size() < kMost && (got = recv(fd.get(), some.data(), some.size(), 0)) > 0)
    text.append(some.data(), static_cast<std::size_t>(got));
  return text;
}

Result<Local> of_ipsecd(const std::string& path) {
  const auto text = ask(path + ".status");
  if (!text) return std::unexpected(text.error());
  Local local;
  JsonTree tree;
  if (tree.parse(*text)) return fail(Errc::malformed, "ipsecd's status is not JSON: its release may be another one");
  const JsonNode& root = tree.root();
  if (const JsonNode* const device = tree.find(root, "device")) local.device = tree.string(*device);
  if (!local.device.empty()) local.database = Database::tun;
  if (tree.find(root, "hook")) local.database = Database::hook;
  for (const std::string_view way : {"in", "out"}) {
    const JsonNode* const totals = tree.find(root, way);
    const JsonNode* const dropped = totals ? tree.find(*totals, "dropped") : nullptr;
    if (!dropped) continue;
    tree.for_each(*dropped, [&](const JsonNode& node) {
      local.dropped[fmt::format("{}.{}", way, tree.name(node))] = number(tree.raw(node));
    });
  }
  return local;
}

}  // namespace

Result<Local> read_local(const std::string& database) {
  const kernel::KernelFiles files;
  Result<Local> local = Local();
  if (constexpr std::string_view kIpsecd = "ipsecd:"; database.starts_with(kIpsecd)) {
    local = of_ipsecd(database.substr(kIpsecd.size()));
    if (!local) return local;
  } else if (database == "kernel") {
    local->database = Database::kernel;
    for (const auto& [name, value] : kernel::error_counters(files)) local->dropped[name] = value;
  }
  add_reverse_path(files, local->dropped);
  return local;
}

}  // namespace ipseckey::probe
