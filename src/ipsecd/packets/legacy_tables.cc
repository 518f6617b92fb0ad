#include "ipsecd/packets/legacy_tables.h"

#include <fcntl.h>
#include <linux/in.h>
#include <linux/netfilter.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string_view>
#include <vector>

namespace ipseckey::ipsecd {
namespace {

// linux/netfilter_ipv4/ip_tables.h cannot be included with net/if.h. The same numbers serve IPv6.
constexpr int kGetInfo = 64, kGetEntries = 65, kGetTargetRevision = 67;
constexpr std::size_t kName = 32;

struct Info {
  std::array<char, kName> name{};
  unsigned hooks = 0;
  std::array<unsigned, 5> first{}, policies{};
  unsigned count = 0, size = 0;
};
static_assert(sizeof(Info) == 84);

struct Revision {
  std::array<char, 29> name{};
  std::uint8_t revision = 0;
};
static_assert(sizeof(Revision) == 30);

// Both families write the target of a policy at the end of its entry: 40 octets, of which the last eight are the
// verdict and padding.
constexpr std::size_t kTarget = 40, kVerdict = 32;
constexpr std::uint32_t kAccept = static_cast<std::uint32_t>(-NF_ACCEPT - 1);

// The offset behind an entry, which is the member after those of the packet's own criteria.
std::size_t size_of_entry(Bytes entry, bool v6) {
  const std::size_t at = v6 ? 142 : 90;
  std::uint16_t size = 0;
  Reader in(entry);
  in.pad(at), in.host(size);
  return size;
}

bool accepts(Bytes entries, std::size_t at, bool v6) {
  const Bytes entry = entries.subspan(std::min(at, entries.size()));
  const std::size_t size = size_of_entry(entry, v6);
  if (size < kTarget || size > entry.size()) return false;
  std::uint16_t target = 0;
  std::uint32_t verdict = 0;
  Reader in(entry.first(size).last(kTarget));
  in.host(target), in.pad(kVerdict - sizeof target), in.host(verdict);
  return target == kTarget && verdict == kAccept;
}

}  // namespace

// One entry for each policy, and one that ends the table.
bool does_something(const LegacyTable& table, Bytes entries) {
  if (table.count != static_cast<unsigned>(std::popcount(table.hooks)) + 1) return true;
  for (std::size_t hook = 0; hook < table.policies.size(); ++hook)
    if ((table.hooks >> hook & 1) != 0 && !accepts(entries, table.policies[hook], table.v6)) return true;
  return false;
}

LegacyTables LegacyTables::open() {
  LegacyTables made;
  struct Row {
    const char* names;
    int domain, level;
  };
  constexpr std::array kRows = {Row{"/proc/self/net/ip_tables_names", AF_INET, IPPROTO_IP},
                                Row{"/proc/self/net/ip6_tables_names", AF_INET6, IPPROTO_IPV6}};
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    made.families_[i].names = Descriptor(::open(kRows[i].names, O_RDONLY | O_CLOEXEC));
    made.families_[i].socket = Descriptor(::socket(kRows[i].domain, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
    made.families_[i].level = kRows[i].level;
  }
  return made;
}

bool LegacyTables::in_force() const {
  return std::ranges::any_of(families_, [](const One& family) { return in_force(family); });
}

bool LegacyTables::in_force(const One& family) {
  if (!family.socket) return false;
  const int fd = family.socket.get();
  if (!family.names) {  // This question creates no table.
    Revision standard{};
    socklen_t size = sizeof standard;
    std::string_view("ERROR").copy(standard.name.data(), standard.name.size());
    return ::getsockopt(fd, family.level, kGetTargetRevision, &standard, &size) == 0;
  }
  std::array<char, 1024> buffer;
  const ssize_t got = ::pread(family.names.get(), buffer.data(), buffer.size(), 0);
  if (got < 0) return true;
  std::string_view names(buffer.data(), static_cast<std::size_t>(got));
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find('\n'));
    names.remove_prefix(std::min(names.size(), name.size() + 1));
    if (name.size() >= kName) return true;
    Info info{};
    name.copy(info.name.data(), name.size());
    socklen_t size = sizeof info;
    if (::getsockopt(fd, family.level, kGetInfo, &info, &size) != 0) return true;
    // The request: a name, the size of the entries, padding, and room for them.
    constexpr std::size_t kHead = 40;
    std::vector<std::byte> room(kHead + info.size);
    std::memcpy(room.data(), info.name.data(), kName);
    std::memcpy(room.data() + kName, &info.size, sizeof info.size);
    size = static_cast<socklen_t>(room.size());
    if (::getsockopt(fd, family.level, kGetEntries, room.data(), &size) != 0) return true;
    const LegacyTable table{family.level == IPPROTO_IPV6, info.hooks, info.count, info.policies};
    if (does_something(table, Bytes(room).subspan(kHead))) return true;
  }
  return false;
}

}  // namespace ipseckey::ipsecd
