#include "kernel/detail/policy_codec.h"

#include <fmt/format.h>
#include <linux/xfrm.h>

#include <algorithm>

#include "base/cast.h"
#include "kernel/detail/xfrm_attributes.h"

namespace ipseckey::kernel::xfrm {
namespace {

using policy::MaskedPort;
using policy::Prefix;
using policy::XfrmPolicyName;
using policy::XfrmSelector;
using policy::XfrmTemplate;

constexpr std::uint8_t kBlock = XFRM_POLICY_BLOCK;
constexpr std::uint16_t kOffloadDevice = 28;  // XFRMA_OFFLOAD_DEV.

xfrm_selector to_kernel(const XfrmSelector& s) {
  auto out = zeroed<xfrm_selector>();
  out.saddr = xfrm::to_kernel(s.source.address), out.daddr = xfrm::to_kernel(s.destination.address);
  out.prefixlen_s = s.source.length, out.prefixlen_d = s.destination.length;
  out.sport = big_endian(s.source_port.value), out.sport_mask = big_endian(s.source_port.mask);
  out.dport = big_endian(s.destination_port.value), out.dport_mask = big_endian(s.destination_port.mask);
  out.family = family_of(s.source.address);
  out.proto = s.protocol, out.ifindex = s.device, out.user = s.user;
  return out;
}

Prefix prefix_of(const xfrm_address_t& address, std::uint16_t family, std::uint8_t length) {
  const Address a = from_kernel(address, family);
  return {a, static_cast<std::uint8_t>(std::min<unsigned>(length, a.bits()))};
}

XfrmSelector from_kernel(const xfrm_selector& s) {
  XfrmSelector out;
  out.source = prefix_of(s.saddr, s.family, s.prefixlen_s),
  out.destination = prefix_of(s.daddr, s.family, s.prefixlen_d);
  out.source_port = {big_endian(s.sport), big_endian(s.sport_mask)};
  out.destination_port = {big_endian(s.dport), big_endian(s.dport_mask)};
  out.protocol = s.proto, out.device = s.ifindex, out.user = s.user;
  return out;
}

xfrm_user_tmpl to_kernel(const XfrmTemplate& t) {
  auto out = zeroed<xfrm_user_tmpl>();
  out.id.daddr = xfrm::to_kernel(t.destination), out.saddr = xfrm::to_kernel(t.source);
  out.id.spi = big_endian(t.spi), out.id.proto = t.protocol;
  out.family = family_of(t.destination);
  out.reqid = t.reqid, out.mode = t.mode, out.optional = t.optional ? 1 : 0;
  out.aalgos = t.auth, out.ealgos = t.encrypt, out.calgos = t.compress;
  return out;
}

XfrmTemplate from_kernel(const xfrm_user_tmpl& t) {
  XfrmTemplate out;
  out.destination = xfrm::from_kernel(t.id.daddr, t.family), out.source = xfrm::from_kernel(t.saddr, t.family);
  out.spi = big_endian(t.id.spi), out.protocol = t.id.proto;
  out.reqid = t.reqid, out.mode = t.mode, out.optional = t.optional != 0;
  out.auth = t.aalgos, out.encrypt = t.ealgos, out.compress = t.calgos;
  return out;
}

void put_scope(const XfrmPolicyName& name, NetlinkBatch& out) {
  if (name.mark != 0 || name.mark_mask != 0) {
    auto mark = zeroed<xfrm_mark>();
    mark.v = name.mark, mark.m = name.mark_mask;
    out.attribute(XFRMA_MARK, bytes_of(mark));
  }
  if (name.if_id != 0) out.attribute(XFRMA_IF_ID, bytes_of(name.if_id));
}

}  // namespace

void put_policy(std::uint16_t type, const policy::XfrmPolicy& p, NetlinkBatch& out) {
  auto info = zeroed<xfrm_userpolicy_info>();
  info.sel = to_kernel(p.name.selector);
  // Without these a policy would end at the first packet.
  info.lft.soft_byte_limit = info.lft.hard_byte_limit = XFRM_INF;
  info.lft.soft_packet_limit = info.lft.hard_packet_limit = XFRM_INF;
  info.priority = p.priority;
  info.dir = static_cast<std::uint8_t>(p.name.direction);
  info.action = p.block ? kBlock : std::uint8_t{XFRM_POLICY_ALLOW};
  out.begin(type);
  out.body(bytes_of(info));
  std::vector<xfrm_user_tmpl> templates;
  templates.reserve(p.templates.size());
  for (const XfrmTemplate& t : p.templates) templates.push_back(to_kernel(t));
  if (!templates.empty()) out.attribute(XFRMA_TMPL, std::as_bytes(std::span(templates)));
  put_scope(p.name, out);
}

void put_policy_removal(const XfrmPolicyName& name, std::uint32_t index, NetlinkBatch& out) {
  auto id = zeroed<xfrm_userpolicy_id>();
  id.sel = to_kernel(name.selector);
  id.index = index, id.dir = static_cast<std::uint8_t>(name.direction);
  out.begin(XFRM_MSG_DELPOLICY);
  out.body(bytes_of(id));
  put_scope(name, out);
}

std::optional<ListedPolicy> policy_of(Bytes payload) {
  const auto info = front<xfrm_userpolicy_info>(payload);
  if (!info) return std::nullopt;
  const Attributes attributes(payload, sizeof *info);
  ListedPolicy out;
  out.index = info->index, out.last_used = info->curlft.use_time;
  // A socket's policies have numbers of their own, in the same order.
  out.of_socket = info->dir >= XFRM_POLICY_MAX;
  out.policy.name.direction = static_cast<policy::XfrmDirection>(info->dir % XFRM_POLICY_MAX);
  out.policy.name.selector = from_kernel(info->sel);
  out.policy.priority = info->priority, out.policy.block = info->action == kBlock;
  out.expires = info->lft.hard_add_expires_seconds != 0 || info->lft.hard_use_expires_seconds != 0;
  out.decodes_icmp = (info->flags & XFRM_POLICY_ICMP) != 0;
  if (const auto mark = attributes.get<xfrm_mark>(XFRMA_MARK))
    out.policy.name.mark = mark->v, out.policy.name.mark_mask = mark->m;
  out.policy.name.if_id = attributes.get<std::uint32_t>(XFRMA_IF_ID).value_or(0);
  const auto type = attributes.get<xfrm_userpolicy_type>(XFRMA_POLICY_TYPE);
  out.sub = type && type->type == XFRM_POLICY_TYPE_SUB;
  out.offloaded = attributes.has(kOffloadDevice), out.labelled = attributes.has(XFRMA_SEC_CTX);
  for (Bytes left = attributes[XFRMA_TMPL]; const auto t = front<xfrm_user_tmpl>(left);
       left = left.subspan(sizeof(xfrm_user_tmpl)))
    out.policy.templates.push_back(from_kernel(*t));
  return out;
}

std::string command_to_delete(const ListedPolicy& policy) {
  const policy::XfrmPolicyName& name = policy.policy.name;
  std::string command = fmt::format("ip xfrm policy delete index {} dir {}", policy.index, words(name.direction));
  if (policy.sub) command += " ptype sub";
  if (name.mark != 0 || name.mark_mask != 0)
    command += fmt::format(" mark {:#x} mask {:#x}", name.mark, name.mark_mask);
  if (name.if_id != 0) command += fmt::format(" if_id {:#x}", name.if_id);
  return command;
}

}  // namespace ipseckey::kernel::xfrm
