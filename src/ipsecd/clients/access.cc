#include "ipsecd/clients/access.h"

#include <fmt/format.h>
#include <grp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <string>
#include <vector>

#include "base/id_map.h"
#include "system/text_in.h"

namespace ipseckey::ipsecd {
namespace {

// All groups of the connecting process, starting with its own.
std::vector<gid_t> groups_of(int fd, const ucred& peer) {
  std::vector<gid_t> groups(32);
  socklen_t size = 0;
  int r = -1;
  do {
    size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    r = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
    if (r != 0 && errno == ERANGE) groups.resize(size / sizeof(gid_t));
  } while (r != 0 && errno == ERANGE);
  groups.resize(r == 0 ? size / sizeof(gid_t) : 0);
  groups.insert(groups.begin(), peer.gid);
  return groups;
}

}  // namespace

Strangers strangers() {
  return {.user = id_map::stranger(text_in("/proc/self/uid_map"), text_in("/proc/sys/kernel/overflowuid")),
          .group = id_map::stranger(text_in("/proc/self/gid_map"), text_in("/proc/sys/kernel/overflowgid"))};
}

std::optional<Peer> peer_of(int fd, const Policy& policy) {
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return std::nullopt;
  Peer peer{.pid = who.pid, .uid = who.uid};
  peer.owner = who.uid != policy.strangers.user && (who.uid == 0 || who.uid == ::geteuid());
  if (peer.owner) {
    peer.access = Access::all;
  } else if (policy.group || policy.read_group) {
    const std::vector<gid_t> groups = groups_of(fd, who);
    const auto member = [&](const std::optional<gid_t>& group) {
      return group && group != policy.strangers.group && std::ranges::find(groups, *group) != groups.end();
    };
    peer.access = member(policy.group) ? Access::all : member(policy.read_group) ? Access::read : Access::none;
  }
  return peer;
}

Result<gid_t> group_id(const std::string& name) {
  if (const group* const entry = ::getgrnam(name.c_str())) return entry->gr_gid;
  gid_t number = 0;
  const auto [end, ec] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (ec == std::errc() && end == name.data() + name.size()) return number;
  return fail(Errc::not_found, fmt::format("there is no group {}", name));
}

bool readers_may(const pfkey::Message& request) {
  using pfkey::Type;
  if (request.type == Type::x_promisc) return request.satype == pfkey::SaType::unspec;  // Both stay off.
  return request.type == Type::get || request.type == Type::dump;
}

void hide_keys(pfkey::Message& message) {
  if (!message.auth_key && !message.encrypt_key && !message.initial_iv) return;
  message.auth_key.reset();
  message.encrypt_key.reset();
  message.initial_iv.reset();
  if (!message.remark) message.remark = pfkey::Remark{"keys are not shown to members of the read group"};
}

}  // namespace ipseckey::ipsecd
