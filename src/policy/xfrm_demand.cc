// 1. part() turns one alternative into a demand: headers, mode, bits of algorithms.
// 2. xfrm_demand() joins the alternatives of a rule: all must want the same headers, mode, ends, reqid and SPI, and
//    the kernel then accepts the algorithms of any of them.
// 3. templates() writes a demand as the kernel's templates for one direction.
#include "policy/xfrm_demand.h"

#include <algorithm>

#include "pfkey/algorithms.h"
#include "pfkey/message.h"

namespace ipseckey::policy {
namespace {

constexpr std::uint32_t kAll = UINT32_MAX;
// The kernel has no number for the integrity of combined ciphers, nor for AES-CMAC; 0 is also that of no integrity.
constexpr std::uint32_t kNoNumber = 1;

std::uint32_t auth_bit(const Choice& choice) {
  constexpr std::uint8_t kCmac = 248;
  if (!choice.number) return kAll;
  if (*choice.number == kCmac) return kNoNumber;
  return *choice.number < 32 ? std::uint32_t{1} << *choice.number : kAll;
}

std::uint32_t encrypt_bit(const std::optional<Choice>& choice) {
  if (!choice) return std::uint32_t{1} << pfkey::kEalgNull;
  return choice->number && *choice->number < 32 ? std::uint32_t{1} << *choice->number : kAll;
}

bool combined(const Choice& cipher) {
  const pfkey::Algorithm* const row =
      cipher.number ? pfkey::find_algorithm(pfkey::AlgorithmKind::encrypt, *cipher.number) : nullptr;
  return row && row->combined();
}

AlgorithmBits esp_bits(const Protection& p) {
  const std::uint32_t auth = p.integrity ? auth_bit(*p.integrity) : combined(*p.cipher) ? kNoNumber : kAll;
  // With bits of ciphers the kernel would check those of integrity algorithms, too.
  return auth == kAll ? AlgorithmBits{kAll, kAll} : AlgorithmBits{auth, encrypt_bit(p.cipher)};
}

XfrmDemand part(const Rule& rule, const Protection& p) {
  XfrmDemand d;
  d.ah = p.ah.has_value(), d.esp = p.esp(), d.tunnel = in_tunnel_mode(rule, p);
  d.ends = p.ends, d.reqid = p.reqid.value_or(0), d.spi = p.spi.value_or(0);
  d.optional_out = d.optional_in = p.may_be_clear;
  if (p.ah) d.of_ah = {auth_bit(*p.ah), kAll};
  if (d.esp) d.of_esp = esp_bits(p);
  return d;
}

AlgorithmBits operator|(const AlgorithmBits& a, const AlgorithmBits& b) {
  const AlgorithmBits both{a.auth | b.auth, a.encrypt | b.encrypt};
  return both.auth == kAll ? AlgorithmBits{kAll, kAll} : both;
}

Result<void> check(const Rule& rule, const XfrmDemand& d) {
  if (d.tunnel && d.optional_out && rule.out)
    return fail(Errc::unsupported,
                "the kernel cannot send in clear what has no SA in tunnel mode: leave `level use` out");
  return {};
}

}  // namespace

std::vector<XfrmTemplate> XfrmDemand::templates(XfrmDirection direction, Family family, const TunnelEnds& by) const {
  const bool out = direction == XfrmDirection::out;
  XfrmTemplate inner;
  inner.mode = tunnel ? kTunnelMode : kTransportMode;
  inner.source = inner.destination = unspecified(family);
  if (tunnel) inner.source = out ? by.local : by.remote, inner.destination = out ? by.remote : by.local;
  inner.reqid = reqid, inner.spi = spi, inner.optional = out ? optional_out : optional_in;
  std::vector<XfrmTemplate> list;
  if (esp) {
    list.push_back(inner);
    list.back().protocol = kProtoEsp;
    list.back().auth = of_esp.auth, list.back().encrypt = of_esp.encrypt;
  }
  if (ah) {
    list.push_back(inner);
    list.back().protocol = kProtoAh;
    list.back().auth = of_ah.auth;
    // The tunnel ends at the inner of the two headers; AH goes around it, between the same hosts.
    if (tunnel && esp) {
      list.back().mode = kTransportMode;
      list.back().source = list.back().destination = unspecified(by.local.family);
    }
  }
  return list;
}

Result<XfrmDemand> xfrm_demand(const Rule& rule) {
  XfrmDemand all = part(rule, rule.alternatives[0].protection);
  for (const Alternative& a : std::span(rule.alternatives).subspan(1)) {
    if (a.action == Action::pass) all.optional_in = true;
    if (a.action != Action::ipsec) continue;
    const XfrmDemand more = part(rule, a.protection);
    if (more.ah != all.ah || more.esp != all.esp)
      return fail(Errc::unsupported,
                  "the kernel cannot choose between AH, ESP and both: give all alternatives of `or` the same ones");
    if (more.tunnel != all.tunnel || more.ends != all.ends)
      return fail(Errc::unsupported,
                  "the kernel cannot choose between tunnels: give all alternatives of `or` the same tsrc and tdst");
    if (more.reqid != all.reqid)
      return fail(Errc::unsupported,
                  "the kernel cannot choose between reqids: give all alternatives of `or` the same one");
    if (more.spi != all.spi)
      return fail(Errc::unsupported,
                  "the kernel cannot choose between SPIs: give all alternatives of `or` the same one, or none");
    if (more.optional_out != all.optional_out)
      return fail(Errc::unsupported, "`level use` must be in all alternatives of `or`, or in none, for the kernel");
    all.of_ah = all.of_ah | more.of_ah, all.of_esp = all.of_esp | more.of_esp;
  }
  if (auto wrong = check(rule, all); !wrong) return std::unexpected(wrong.error());
  return all;
}

std::vector<std::string> demand_remarks(const Rule& rule) {
  const auto any = [&](auto about) {
    return std::ranges::any_of(rule.alternatives,
                               [&](const Alternative& a) { return a.action == Action::ipsec && about(a.protection); });
  };
  const auto limits = [](const std::optional<Choice>& c) { return c && (c->min_bits || c->max_bits); };
  const auto lengths = [&](const Protection& p) { return limits(p.ah) || limits(p.cipher) || limits(p.integrity); };
  std::vector<std::string> list;
  if (any(lengths)) list.emplace_back("the kernel does not check the lengths of keys: the SAs must have them");
  if (any([](const Protection& p) { return p.cipher && !p.cipher->number; }))
    list.emplace_back("any cipher is accepted, also `null` and DES");
  if (any([](const Protection& p) { return p.unique; }))
    list.emplace_back(
        "the kernel does not choose an SA by connection: one SA serves all connections of the rule; `reqid` binds it "
        "to SAs of its own");
  const auto pass = [](const Alternative& a) { return a.action == Action::pass; };
  if (rule.in && (any([](const Protection& p) { return p.may_be_clear; }) ||
                  std::ranges::any_of(std::span(rule.alternatives).subspan(1), pass)))
    list.emplace_back("packets that come in clear or by any other SA are accepted, too");
  return list;
}

}  // namespace ipseckey::policy
