// How a command becomes messages:
// 1. build() resolves the addresses. Each destination gets a message, with the source of its family and scope.
// 2. common() fills the first message, all but the outer addresses: put_joined() does the keywords that are one field
//    (keywords.h), functions here do keys, NAT traversal and inner addresses.
// 3. put() adds the outer addresses. The other messages are clones of the first.
// 4. Errors go to `objections`; after refuse() there is no message.
#include "lang/request.h"

#include <absl/container/inlined_vector.h>
#include <fmt/format.h>

#include "lang/keywords.h"
#include "pfkey/algorithms.h"
#include "pfkey/icmp.h"

namespace ipseckey::lang {
namespace {

using S = SaSpec;
using pfkey::Endpoint;
using pfkey::Message;

// Source and destination must be of one scope (RFC 4291 section 2.4).
enum class Scope : std::uint8_t { unspecified, loopback, link_local, site_local, global };

Scope scope_of(const Address& a) {
  if (is_unspecified(a)) return Scope::unspecified;
  if (is_loopback(a)) return Scope::loopback;
  if (a.family == Family::v6 && is_link_local(a)) return Scope::link_local;
  const bool site_local =
      a.family == Family::v6 && a.octets[0] == std::byte{0xfe} && (a.octets[1] & std::byte{0xc0}) == std::byte{0xc0};
  return site_local ? Scope::site_local : Scope::global;
}

// The number in a strong type; 0 when it was not given.
template <class T>
auto value(const std::optional<T>& v) {
  return v ? v->value : decltype(v->value){0};
}

class Builder {
 public:
  Builder(Command& command, const Names& names, Objections objections)
      : spec_(command.spec), command_(command), names_(names), objections_(objections) {}

  void build(std::vector<Message>& out) {
    if (spec_.src && spec_.src->any) spec_.src.reset();
    const auto destinations = spec_.dst ? resolve(*spec_.dst, &S::dst) : Addresses{};
    const auto sources = spec_.src ? resolve(*spec_.src, &S::src) : Addresses{};
    if (refused_ || destinations.empty()) return;
    out.emplace_back();
    common(out.back(), destinations[0].family);
    if (!refused_) proto_ = out.back().inner_src ? tunnel_proto(out.back()) : value(spec_.proto);
    absl::InlinedVector<Ends, 1> ends;
    if (!refused_)
      for (const Address& dst : destinations) {
        const auto src = source_for(dst, sources);
        if (src || !spec_.src) ends.push_back({src, dst});  // Else source_for() has said why.
      }
    if (ends.empty()) return out.pop_back();
    put(ends[0], out.back());
    for (std::size_t i = 1; i < ends.size(); ++i) {
      out.push_back(out.back().clone());
      put(ends[i], out.back());
    }
  }

 private:
  using Addresses = absl::InlinedVector<Address, 1>;  // Mostly one.

  struct Ends {
    std::optional<Address> src;
    Address dst;
  };

  void put(const Ends& ends, Message& m) const {
    const bool icmp = pfkey::is_icmp(proto_);
    const std::uint16_t sport = port(icmp, spec_.icmp_type, spec_.sport);
    m.dst = Endpoint{proto_, 0, ends.dst, port(icmp, spec_.icmp_code, spec_.dport)};
    if (ends.src) m.src = Endpoint{proto_, 0, *ends.src, sport};
    if (!ends.src && writes()) m.src = Endpoint{proto_, 0, unspecified(ends.dst.family), sport};
  }

  static std::uint16_t port(bool icmp, const std::optional<IcmpNumber>& number, const std::optional<Port>& word) {
    return icmp && number ? pfkey::port_of_icmp(number->value) : value(word);
  }

  bool writes() const { return (bit(command_.row->verb) & kWriters) != 0; }

  template <class T>
  void refuse(std::optional<T> S::* about, std::string message) {
    refused_ = true;
    objections_({Severity::error, about, std::move(message)});
  }

  // A key can be where a name should be.
  static std::string shown(const Host& host) { return like_a_key(host.name) ? "the name" : host.name; }

  template <class T>
  Addresses resolve(const Host& host, std::optional<T> S::* about) {
    if (host.literal) return Addresses(1, *host.literal);
    if (host.any) {
      refuse(about, fmt::format("{} needs an address: any is only for src, isrc and idst", keyword_for(about).name()));
      return {};
    }
    auto found = names_.hosts ? names_.hosts(host.name) : fail(Errc::not_found, "there is no name service");
    if (!found) {
      refuse(about, fmt::format("Unknown address {}: {}", shown(host), found.error().text));
      return {};
    }
    for (Address& a : *found) a = unmapped(a);
    if (host.v6_only) std::erase_if(*found, [](const Address& a) { return a.family == Family::v4; });
    if (found->empty()) refuse(about, fmt::format("Unknown address {}: it has no IPv6 address", shown(host)));
    return {found->begin(), found->end()};
  }

  // If a name has several addresses, which one is used would decide how strong the SA is: it must have only one.
  template <class T>
  std::optional<Address> resolve_one(const Host& host, std::optional<T> S::* about) {
    const auto found = resolve(host, about);
    if (found.empty()) return std::nullopt;
    if (found.size() > 1) {
      refuse(about,
             fmt::format("{} has {} addresses; give one of them instead of the name", shown(host), found.size()));
      return std::nullopt;
    }
    return found[0];
  }

  std::optional<Address> source_for(const Address& dst, const Addresses& sources) {
    if (!spec_.src) return std::nullopt;
    if (spec_.src->literal && sources[0].family == dst.family) return sources[0];
    std::vector<Address> fit;
    for (const Address& a : sources)
      if (a.family == dst.family &&
          (a.family == Family::v4 || scope_of(a) == scope_of(dst) || scope_of(a) == Scope::unspecified))
        fit.push_back(a);
    if (fit.size() == 1) return fit[0];
    const std::string_view family = dst.family == Family::v4 ? "IPv4" : "IPv6";
    objections_(
        {Severity::error, &S::src,
         fit.empty()
             ? fmt::format("destination {}: src has no {} address of the same scope", to_string(dst), family)
             : fmt::format("for destination {} the source {} has {} addresses; give one of them instead of the name",
                           to_string(dst), shown(*spec_.src), fit.size())});
    return std::nullopt;
  }

  // Everything but the outer addresses.
  void common(Message& m, Family outer) {
    m.type = command_.row->message;
    m.satype = command_.satype;
    m.sa.emplace();
    if (!writes()) return put_joined(spec_, Put::names, m);
    m.sa->state = pfkey::State::mature;
    put_joined(spec_, Put::all, m);
    // An UPDATE that names no algorithm says nothing about them; one that completes a larval SA is like an ADD.
    const bool says_algorithms = command_.row->verb == Verb::add || spec_.auth;
    if (m.sa->encrypt == 0 && m.satype == pfkey::SaType::esp && says_algorithms) m.sa->encrypt = pfkey::kEalgNull;
    add_keys(m);
    add_natt(m);
    add_inner(m, outer);
  }

  void add_keys(Message& m) {
    if (spec_.auth_key) m.auth_key = pfkey::Key{spec_.auth_key->bits, 0, std::move(spec_.auth_key->material)};
    if (spec_.encrypt_key)
      m.encrypt_key =
          pfkey::Key{spec_.encrypt_key->bits, value(spec_.reserved_bits), std::move(spec_.encrypt_key->material)};
  }

  void add_natt(Message& m) {
    const auto side = [&](const std::optional<Host>& host, std::optional<Host> S::* about,
                          const std::optional<Port>& port) -> std::optional<Endpoint> {
      if (!host && !port) return std::nullopt;
      Endpoint e{pfkey::kProtoUdp, 0, {}, value(port)};
      if (!host) return e;
      const auto address = resolve_one(*host, about);
      if (address && address->family == Family::v6) refuse(about, "NAT traversal works only with IPv4 addresses");
      if (address) e.address = *address;
      return e;
    };
    m.natt_local = side(spec_.nat_local, &S::nat_local, spec_.nat_local_port);
    m.natt_remote = side(spec_.nat_remote, &S::nat_remote, spec_.nat_remote_port);
    if (m.natt_local) m.sa->flags |= pfkey::kFlagNattLocal;
    if (m.natt_remote) m.sa->flags |= pfkey::kFlagNattRemote;
  }

  struct Inner {
    Address address;
    std::uint8_t prefix;
  };

  std::optional<Inner> resolve_inner(const std::optional<Network>& network, std::optional<Network> S::* about) {
    if (!network || network->host.any) return std::nullopt;
    const auto address = resolve_one(network->host, about);
    if (!address) return std::nullopt;
    const unsigned prefix = network->prefix.value_or(static_cast<std::uint8_t>(address->bits()));
    if (prefix > address->bits())
      refuse(about, fmt::format("a prefix length of {} is too long; the longest is {}", prefix, address->bits()));
    return Inner{masked(*address, prefix), static_cast<std::uint8_t>(prefix)};
  }

  // Any keyword about the inside makes a tunnel; an omitted side means every address, in the family of the other one,
  // of `proto`, or of the outside, whichever is known first.
  void add_inner(Message& m, Family outer) {
    if (!spec_.inner_src && !spec_.inner_dst && !spec_.inner_sport && !spec_.inner_dport && !spec_.inner_proto) return;
    const auto src = resolve_inner(spec_.inner_src, &S::inner_src);
    const auto dst = resolve_inner(spec_.inner_dst, &S::inner_dst);
    Family family = outer;
    if (value(spec_.proto) == pfkey::kProtoIpip) family = Family::v4;
    if (value(spec_.proto) == pfkey::kProtoIpv6) family = Family::v6;
    if (dst) family = dst->address.family;
    if (src) family = src->address.family;
    const Inner any{unspecified(family), 0};
    const Inner& s = src ? *src : any;
    const Inner& d = dst ? *dst : any;
    const std::uint8_t proto = value(spec_.inner_proto);
    const bool icmp = pfkey::is_icmp(proto);
    m.inner_src = Endpoint{proto, s.prefix, s.address, port(icmp, spec_.icmp_type, spec_.inner_sport)};
    m.inner_dst = Endpoint{proto, d.prefix, d.address, port(icmp, spec_.icmp_code, spec_.inner_dport)};
    m.sa->flags |= pfkey::kFlagTunnel;
    if (s.address.family != d.address.family) refuse(&S::inner_dst, "isrc and idst are of different address families");
  }

  std::uint8_t tunnel_proto(const Message& m) {
    const std::uint8_t needed = pfkey::tunnel_protocol(m.inner_src->address);
    if (value(spec_.proto) != 0 && spec_.proto->value != needed)
      refuse(&S::proto, fmt::format("proto is {}, but the inner addresses are {}: use proto {}", spec_.proto->value,
                                    needed == pfkey::kProtoIpip ? "IPv4" : "IPv6", needed));
    return needed;
  }

  SaSpec& spec_;
  const Command& command_;
  const Names& names_;
  Objections objections_;
  std::uint8_t proto_ = 0;
  bool refused_ = false;
};

}  // namespace

void to_messages(Command&& command, const Names& names, Objections objections, std::vector<Message>& out) {
  if (command.row->operands == Operands::extensions) return Builder(command, names, objections).build(out);
  Message& m = out.emplace_back();
  m.type = command.row->message;
  m.satype = command.satype;
}

}  // namespace ipseckey::lang
