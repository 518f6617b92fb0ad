#include "cli/names.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>

#include "base/cast.h"
#include "base/text.h"

namespace ipseckey::cli {
namespace {

// IANA's numbers, for systems without /etc/protocols.
struct ProtocolRow {
  std::uint8_t number;
  std::string_view names;  // Output uses the first.
};
constexpr std::array kProtocols = {
    ProtocolRow{1, "icmp"},         ProtocolRow{2, "igmp"},
    ProtocolRow{4, "ipip ipencap"}, ProtocolRow{6, "tcp"},
    ProtocolRow{17, "udp"},         ProtocolRow{33, "dccp"},
    ProtocolRow{41, "ipv6"},        ProtocolRow{46, "rsvp"},
    ProtocolRow{47, "gre"},         ProtocolRow{58, "ipv6-icmp icmp6"},
    ProtocolRow{88, "eigrp"},       ProtocolRow{89, "ospf ospfigp"},
    ProtocolRow{103, "pim"},        ProtocolRow{112, "vrrp"},
    ProtocolRow{115, "l2tp"},       ProtocolRow{132, "sctp"},
    ProtocolRow{136, "udplite"},
};

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

// The sockaddr is copied: its alignment is unknown.
std::optional<Address> address_of(const addrinfo& info) {
  Address a;
  if (info.ai_family == AF_INET && info.ai_addrlen >= sizeof(sockaddr_in)) {
    sockaddr_in sin{};
    std::memcpy(&sin, info.ai_addr, sizeof sin);
    std::memcpy(a.octets.data(), &sin.sin_addr, a.size());
    return a;
  }
  if (info.ai_family == AF_INET6 && info.ai_addrlen >= sizeof(sockaddr_in6)) {
    sockaddr_in6 sin6{};
    std::memcpy(&sin6, info.ai_addr, sizeof sin6);
    a.family = Family::v6;
    std::memcpy(a.octets.data(), &sin6.sin6_addr, a.size());
    return a;
  }
  return std::nullopt;
}

Result<std::vector<Address>> look_up(const std::string& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;  // One answer for each address, not one for each kind of socket.
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(name.c_str(), nullptr, &hints, &found); error != 0)
    return fail(Errc::not_found, gai_strerror(error));
  const AddressList list(found, freeaddrinfo);
  std::vector<Address> addresses;
  for (const addrinfo* info = list.get(); info; info = info->ai_next) {
    const auto address = address_of(*info);
    if (!address) return fail(Errc::unsupported, fmt::format("Address type {} not supported.", info->ai_family));
    if (std::ranges::find(addresses, *address) == addresses.end()) addresses.push_back(*address);
  }
  return addresses;
}

std::optional<std::uint8_t> find_protocol(const std::string& name) {
  for (const auto& row : kProtocols)
    if (text::list_has(row.names, name)) return row.number;
  const protoent* p = getprotobyname(name.c_str());
  if (!p || p->p_proto < 0 || p->p_proto > 255) return std::nullopt;
  return static_cast<std::uint8_t>(p->p_proto);
}

std::optional<std::uint16_t> find_port(const std::string& name) {
  const servent* s = getservbyname(name.c_str(), nullptr);
  if (!s) return std::nullopt;
  return ntohs(static_cast<std::uint16_t>(s->s_port));
}

class HostNamer {
 public:
  std::optional<std::string> operator()(const Address& a) {
    if (failed_ || is_unspecified(a)) return std::nullopt;
    const auto [at, is_new] = known_.try_emplace(a);
    if (is_new) at->second = ask(a);
    return at->second;
  }

 private:
  std::optional<std::string> ask(const Address& a) {
    std::array<char, NI_MAXHOST> name{};
    sockaddr_storage storage{};
    socklen_t size = 0;
    if (a.family == Family::v4) {
      sockaddr_in sin{};
      sin.sin_family = AF_INET;
      std::memcpy(&sin.sin_addr, a.octets.data(), a.size());
      std::memcpy(&storage, &sin, size = sizeof sin);
    } else {
      sockaddr_in6 sin6{};
      sin6.sin6_family = AF_INET6;
      std::memcpy(&sin6.sin6_addr, a.octets.data(), a.size());
      std::memcpy(&storage, &sin6, size = sizeof sin6);
    }
    const int error =
        getnameinfo(interface_cast<sockaddr>(&storage), size, name.data(), name.size(), nullptr, 0, NI_NAMEREQD);
    failed_ = error == EAI_AGAIN || error == EAI_FAIL;
    if (error != 0) return std::nullopt;
    return name.data();
  }

  std::map<Address, std::optional<std::string>> known_;
  bool failed_ = false;
};

}  // namespace

lang::Names system_names() {
  auto cache = std::make_shared<std::map<std::string, Result<std::vector<Address>>>>();
  return {[cache](const std::string& name) {
            const auto at = cache->find(name);
            return at != cache->end() ? at->second : cache->emplace(name, look_up(name)).first->second;
          },
          find_protocol, find_port};
}

std::function<std::optional<std::string>(const Address&)> host_namer() {
  return [namer = std::make_shared<HostNamer>()](const Address& a) { return (*namer)(a); };
}

std::optional<std::string> protocol_name(std::uint8_t number) {
  for (const auto& row : kProtocols)
    if (row.number == number) return std::string(text::first_word(row.names));
  const protoent* p = getprotobynumber(number);
  if (!p) return std::nullopt;
  return p->p_name;
}

}  // namespace ipseckey::cli
