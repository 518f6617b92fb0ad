// Names of hosts, protocols and ports, both ways.
// 1. system_names() asks the resolver and the databases in /etc, and caches hosts: a name in each line of a file is
//    looked up once. numeric_names() looks nothing up.
// 2. kProtocols is searched before /etc/protocols: minimal systems have no such file.
// 3. host_namer() finds the names of addresses that are printed. Once the resolver has failed it is not asked again,
//    because every question would wait for the same time-out.
#include "api/names.h"

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

namespace ipseckey::api {
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

// The names in an entry of /etc/protocols or /etc/services.
using EntryText = std::array<char, 4096>;

std::optional<std::uint8_t> known_protocol(const std::string& name) {
  for (const auto& row : kProtocols)
    if (text::list_has(row.names, name)) return row.number;
  return std::nullopt;
}

std::optional<std::uint8_t> find_protocol(const std::string& name) {
  if (const auto known = known_protocol(name)) return known;
  protoent entry{};
  protoent* found = nullptr;
  EntryText text{};
  if (getprotobyname_r(name.c_str(), &entry, text.data(), text.size(), &found) != 0 || !found) return std::nullopt;
  if (found->p_proto < 0 || found->p_proto > 255) return std::nullopt;
  return static_cast<std::uint8_t>(found->p_proto);
}

std::optional<std::uint16_t> find_port(const std::string& name) {
  servent entry{};
  servent* found = nullptr;
  EntryText text{};
  if (getservbyname_r(name.c_str(), nullptr, &entry, text.data(), text.size(), &found) != 0 || !found)
    return std::nullopt;
  return ntohs(static_cast<std::uint16_t>(found->s_port));
}

// The database of networks has no lengths: the octets behind the last one that is not 0 are not part of the network.
std::optional<table::NamedNetwork> find_network(const std::string& name) {
  netent entry{};
  netent* found = nullptr;
  EntryText text{};
  int error = 0;
  if (getnetbyname_r(name.c_str(), &entry, text.data(), text.size(), &found, &error) != 0 || !found)
    return std::nullopt;
  if (found->n_addrtype != AF_INET) return std::nullopt;
  const std::uint32_t number = found->n_net;  // In the host's order.
  table::NamedNetwork network;
  for (std::size_t i = 0; i < network.address.size(); ++i) {
    const auto octet = static_cast<std::uint8_t>(number >> (24 - 8 * i));
    network.address.octets[i] = std::byte{octet};
    if (octet != 0) network.length = static_cast<std::uint8_t>(8 * (i + 1));
  }
  return network;
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
          find_protocol,
          find_port,
          {},
          find_network};
}

lang::Names numeric_names() {
  return {[](const std::string&) -> Result<std::vector<Address>> {
            return fail(Errc::not_found, "names are not looked up here");
          },
          known_protocol, [](const std::string&) { return std::nullopt; }};
}

std::function<std::optional<std::string>(const Address&)> host_namer() {
  return [namer = std::make_shared<HostNamer>()](const Address& a) { return (*namer)(a); };
}

std::optional<std::string> protocol_name(std::uint8_t number) {
  for (const auto& row : kProtocols)
    if (row.number == number) return std::string(text::first_word(row.names));
  protoent entry{};
  protoent* found = nullptr;
  EntryText text{};
  if (getprotobynumber_r(number, &entry, text.data(), text.size(), &found) != 0 || !found) return std::nullopt;
  return found->p_name;
}

}  // namespace ipseckey::api
