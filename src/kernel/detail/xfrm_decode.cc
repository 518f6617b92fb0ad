// Messages of the kernel as PF_KEY messages:
// 1. event_of() reads a notification by its type; sa_of() reads an SA that was requested.
// 2. sa_with() reads the fixed structure, then each part from the attributes: selector, algorithms, lifetimes, numbers,
//    encapsulation, context. Parts that are one value are rows (xfrm_plain.cc).
// 3. row_of() finds an algorithm by the kernel's name and the length of its ICV.
// 4. read_rest() writes a remark about everything that this program's language cannot express.
#include "kernel/detail/xfrm_decode.h"

#include <fmt/format.h>
#include <linux/netlink.h>

#include <algorithm>
#include <array>

#include "kernel/detail/xfrm_attributes.h"
#include "kernel/detail/xfrm_label.h"
#include "kernel/detail/xfrm_plain.h"
#include "kernel/detail/xfrm_ports.h"
#include "pfkey/algorithms.h"

namespace ipseckey::kernel::xfrm {
namespace {

using pfkey::Lifetime;
using pfkey::Message;

void remark(Message& m, std::string_view text) {
  if (!m.remark) m.remark.emplace();
  if (!m.remark->text.empty()) m.remark->text += "; ";
  m.remark->text += text;
}

std::uint32_t narrow(std::uint64_t count) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(count, UINT32_MAX));
}

std::uint64_t limit(std::uint64_t value) { return value == XFRM_INF ? 0 : value; }

// ---- algorithms

struct KernelAlgorithm {
  std::string name;
  std::uint32_t icv_bits = 0;
  Bytes key;
};

// struct xfrm_algo, or with `with_icv` struct xfrm_algo_auth and xfrm_algo_aead.
std::optional<KernelAlgorithm> algorithm_of(Bytes from, bool with_icv) {
  if (from.empty()) return std::nullopt;
  Reader in(from);
  KernelAlgorithm out;
  for (const std::byte b : in.take(64)) {
    if (b == std::byte{0}) break;
    out.name.push_back(static_cast<char>(b));
  }
  std::uint32_t bits = 0;
  in.host(bits);
  if (with_icv) in.host(out.icv_bits);
  out.key = in.take((bits + 7) / 8);
  if (!in.ok() || out.key.size() > Secret::kMaxSize) return std::nullopt;
  return out;
}

const pfkey::Algorithm* row_of(pfkey::AlgorithmKind kind, const KernelAlgorithm& a, bool with_icv) {
  for (const pfkey::Algorithm& row : pfkey::algorithms())
    if (row.kind == kind && row.kernel == a.name &&
        (!with_icv || row.icv * 8u == a.icv_bits || row.icv_fits(a.icv_bits)))
      return &row;
  return nullptr;
}

std::optional<pfkey::Key> key_of(const KernelAlgorithm& a, std::uint16_t salt_bits, Message& m, bool hidden) {
  if (a.key.empty()) return std::nullopt;
  if (hidden && all_zero(a.key)) {
    remark(m, "the kernel's lockdown mode hides keys");
    return std::nullopt;
  }
  const auto bits = static_cast<std::uint16_t>(a.key.size() * 8);
  if (bits <= salt_bits) return pfkey::Key{bits, 0, Secret(a.key)};
  return pfkey::Key{static_cast<std::uint16_t>(bits - salt_bits), salt_bits, Secret(a.key)};
}

void read_algorithms(Message& m, const Attributes& had, bool hidden) {
  using enum pfkey::AlgorithmKind;
  if (const auto a = algorithm_of(had[XFRMA_ALG_AUTH_TRUNC], true); a && a->name != "digest_null") {
    const pfkey::Algorithm* const row = row_of(auth, *a, true);
    m.sa->auth = row ? row->number : kUnknownAlgorithm;
    if (row && a->icv_bits != row->icv * 8u) m.icv = pfkey::Number{a->icv_bits};
    if (!row)
      remark(m, fmt::format("its authentication algorithm {} with an ICV of {} bits has no PF_KEY number", a->name,
                            a->icv_bits));
    m.auth_key = key_of(*a, 0, m, hidden);
  }
  const bool combined = had.has(XFRMA_ALG_AEAD);
  const auto a = combined ? algorithm_of(had[XFRMA_ALG_AEAD], true) : algorithm_of(had[XFRMA_ALG_CRYPT], false);
  if (!a) return;
  const pfkey::Algorithm* const row = row_of(encrypt, *a, combined);
  m.sa->encrypt = row ? row->number : kUnknownAlgorithm;
  if (!row) remark(m, fmt::format("its encryption algorithm {} has no PF_KEY number", a->name));
  m.encrypt_key = key_of(*a, row ? row->salt_bits : std::uint16_t{0}, m, hidden);
  if (row && row->counter()) m.sa->flags |= pfkey::kFlagEalg2;
  if (row && row->combined()) m.sa->flags |= pfkey::kFlagEalg1;
}

// ---- the parts of an SA

void read_selector(Message& m, const xfrm_usersa_info& info) {
  const xfrm_selector& sel = info.sel;
  const auto [sport, dport] = ports_of(sel);
  if (info.mode == XFRM_MODE_TUNNEL) {
    const std::uint16_t family = sel.family == AF_INET6 ? AF_INET6 : AF_INET;
    m.inner_src = pfkey::Endpoint{sel.proto, sel.prefixlen_s, from_kernel(sel.saddr, family), sport};
    m.inner_dst = pfkey::Endpoint{sel.proto, sel.prefixlen_d, from_kernel(sel.daddr, family), dport};
    m.src->proto = m.dst->proto = pfkey::tunnel_protocol(m.inner_src->address);
    m.sa->flags |= pfkey::kFlagTunnel;
  } else {
    m.src->proto = m.dst->proto = sel.proto;
    m.src->port = sport, m.dst->port = dport;
    // A larval SA's selector is the kernel's own, and disappears when the SA is completed.
    const bool larval = m.sa->state == pfkey::State::larval;
    if (!larval && (sel.prefixlen_s != 0 || sel.prefixlen_d != 0))
      remark(m, "the addresses of its selector are not shown");
  }
  if (info.mode != XFRM_MODE_TUNNEL && info.mode != XFRM_MODE_TRANSPORT)
    remark(m, fmt::format("its mode is {}, neither transport nor tunnel", info.mode));
  if (sport || dport || sel.proto || m.inner_src) m.sa->flags |= pfkey::kFlagUnique;
  if (has_port_ranges(sel)) remark(m, "its selector has port ranges");
}

void read_lifetimes(Message& m, const xfrm_usersa_info& info, const DecodeContext& context) {
  const xfrm_lifetime_cfg& l = info.lft;
  const Lifetime hard{narrow(limit(l.hard_packet_limit)), limit(l.hard_byte_limit), l.hard_add_expires_seconds,
                      l.hard_use_expires_seconds};
  const Lifetime soft{narrow(limit(l.soft_packet_limit)), limit(l.soft_byte_limit), l.soft_add_expires_seconds,
                      l.soft_use_expires_seconds};
  if (limit(l.hard_packet_limit) > UINT32_MAX || limit(l.soft_packet_limit) > UINT32_MAX)
    remark(m, "a packet limit is above 4294967295, which is shown instead");
  m.current = Lifetime{narrow(info.curlft.packets), info.curlft.bytes, info.curlft.add_time, info.curlft.use_time};
  if (!hard.empty()) m.hard = hard;
  if (!soft.empty()) m.soft = soft;
  if (info.curlft.use_time != 0) m.sa->flags |= pfkey::kFlagUsed;
  const auto passed = [&](std::uint64_t start, std::uint64_t seconds) {
    return start != 0 && seconds != 0 && start + seconds <= context.now;
  };
  const bool dying = (soft.bytes != 0 && info.curlft.bytes >= soft.bytes) ||
                     (soft.allocations != 0 && info.curlft.packets >= soft.allocations) ||
                     passed(info.curlft.add_time, soft.addtime) || passed(info.curlft.use_time, soft.usetime);
  if (dying && m.sa->state == pfkey::State::mature) m.sa->state = pfkey::State::dying;
}

void put_value(Message& m, std::uint64_t value) {
  if (value != 0) m.replay_value = pfkey::ReplayValue::of(value);
}

std::uint64_t last_number(const Message& m, std::uint64_t sent, std::uint64_t seen) {
  const std::uint32_t way = m.sa->flags & (pfkey::kFlagInbound | pfkey::kFlagOutbound);
  return way == pfkey::kFlagInbound ? seen : way == pfkey::kFlagOutbound ? sent : std::max(sent, seen);
}

void read_replay(Message& m, const Attributes& had) {
  if (const auto wide = had.get<WideReplay>(XFRMA_REPLAY_ESN_VAL)) {
    const auto both = [](std::uint32_t high, std::uint32_t low) { return std::uint64_t{high} << 32 | low; };
    put_value(m, last_number(m, both(wide->oseq_hi, wide->oseq), both(wide->seq_hi, wide->seq)));
  } else if (const auto state = had.get<xfrm_replay_state>(XFRMA_REPLAY_VAL)) {
    put_value(m, last_number(m, state->oseq, state->seq));
  }
}

void read_window(Message& m, const xfrm_usersa_info& info, const Attributes& had) {
  const auto wide = had.get<WideReplay>(XFRMA_REPLAY_ESN_VAL);
  const std::uint32_t window = wide ? wide->replay_window : info.replay_window;
  const bool esn = info.flags & XFRM_STATE_ESN;
  m.sa->replay = static_cast<std::uint8_t>(std::min<std::uint32_t>(window, UINT8_MAX));
  if (window > UINT8_MAX || esn) m.replay_window = pfkey::ReplayWindow{window, esn};
}

void read_encapsulation(Message& m, const Attributes& had, std::uint16_t family) {
  const auto encap = had.get<xfrm_encap_tmpl>(XFRMA_ENCAP);
  if (!encap) return;
  if (encap->encap_type != kUdpEncapsulation) {
    remark(m, fmt::format("its encapsulation is of type {}, not ESP in UDP", encap->encap_type));
    return;
  }
  const std::uint16_t source = big_endian(encap->encap_sport), destination = big_endian(encap->encap_dport);
  const bool in = (m.sa->flags & (pfkey::kFlagInbound | pfkey::kFlagOutbound)) == pfkey::kFlagInbound;
  m.natt_local = pfkey::Endpoint{pfkey::kProtoUdp, 0, unspecified(Family::v4), in ? destination : source};
  m.natt_remote = pfkey::Endpoint{pfkey::kProtoUdp, 0, from_kernel(encap->encap_oa, family), in ? source : destination};
  m.sa->flags |= pfkey::kFlagNattLocal | pfkey::kFlagNattRemote;
}

void read_context(Message& m, const Attributes& had) {
  if (had[XFRMA_SEC_CTX].size() < sizeof(xfrm_user_sec_ctx)) return;
  std::string text;
  for (const std::byte b : had[XFRMA_SEC_CTX].subspan(sizeof(xfrm_user_sec_ctx)))
    if (b != std::byte{0}) text.push_back(static_cast<char>(b));
  pfkey::Sensitivity label = label_of(text);
  // `save` writes anything beyond a label as a comment.
  if (context_of(label) != text) remark(m, "its security context is " + text);
  if (text.find(":s") != std::string::npos) m.sensitivity = std::move(label);
}

// What Linux can express about an SA and this program's language cannot.
void read_rest(Message& m, const xfrm_usersa_info& info, const Attributes& had) {
  struct Named {
    std::uint16_t attribute;
    std::string_view name;
  };
  static constexpr std::array kOthers = {Named{XFRMA_COADDR, "a care-of address"},
                                         Named{XFRMA_ALG_COMP, "compression"}};
  const auto mac = algorithm_of(had[XFRMA_ALG_AUTH_TRUNC], true);
  const bool matters =
      m.satype == pfkey::SaType::ah && info.family == AF_INET && mac && alignment_matters(mac->icv_bits);
  const bool align4 = info.flags & XFRM_STATE_ALIGN4;
  if (align4 && !matters) remark(m, "it has the flag align4");
  if (!align4 && matters) m.ah_align = pfkey::Number{8};
  for (const Named& other : kOthers)
    if (had.has(other.attribute)) remark(m, fmt::format("it has {}", other.name));
}

// Only the names and addresses.
std::optional<Message> named(std::uint8_t protocol, std::uint32_t spi, std::uint16_t family, const xfrm_address_t& dst,
                             const xfrm_address_t* src) {
  const auto satype = satype_of(protocol);
  if (!satype) return std::nullopt;
  Message m;
  m.type = pfkey::Type::get;
  m.satype = *satype;
  m.sa = pfkey::Sa{.spi = big_endian(spi)};
  m.dst = pfkey::Endpoint{.address = from_kernel(dst, family)};
  if (src) m.src = pfkey::Endpoint{.address = from_kernel(*src, family)};
  return m;
}

std::optional<Message> sa_with(const std::optional<xfrm_usersa_info>& info, const Attributes& had,
                               const DecodeContext& context) {
  if (!info) return std::nullopt;
  auto m = named(info->id.proto, info->id.spi, info->family, info->id.daddr, &info->saddr);
  if (!m) return std::nullopt;
  if (const auto way = had.get<std::uint8_t>(kSaDirection))
    m->sa->flags |= *way == kDirectionIn ? pfkey::kFlagInbound : *way == kDirectionOut ? pfkey::kFlagOutbound : 0u;
  const bool complete =
      had.has(XFRMA_ALG_AUTH) || had.has(XFRMA_ALG_AUTH_TRUNC) || had.has(XFRMA_ALG_CRYPT) || had.has(XFRMA_ALG_AEAD);
  m->sa->state = complete ? pfkey::State::mature : pfkey::State::larval;
  read_algorithms(*m, had, context.keys_hidden);
  read_selector(*m, *info);
  read_lifetimes(*m, *info, context);
  read_window(*m, *info, had);
  read_replay(*m, had);
  read_encapsulation(*m, had, info->family);
  read_context(*m, had);
  take_plain(*m, *info, had, context, remark);
  read_rest(*m, *info, had);
  return m;
}

}  // namespace

std::optional<Message> sa_of(Bytes payload, const DecodeContext& context) {
  return sa_with(front<xfrm_usersa_info>(payload), Attributes(payload, sizeof(xfrm_usersa_info)), context);
}

namespace {

// The SA's attributes are next to the one that contains the SA.
std::optional<Message> deleted(Bytes payload, const DecodeContext& context) {
  const auto id = front<xfrm_usersa_id>(payload);
  if (!id) return std::nullopt;
  const Attributes had(payload, sizeof *id);
  auto m = sa_with(had.get<xfrm_usersa_info>(XFRMA_SA), had, context);
  if (!m) m = named(id->proto, id->spi, id->family, id->daddr, nullptr);
  if (!m) return std::nullopt;
  m->type = pfkey::Type::del;
  m->sa->state = pfkey::State::dead;
  return m;
}

std::optional<Message> flushed(Bytes payload) {
  const auto flush = front<xfrm_usersa_flush>(payload);
  if (!flush) return std::nullopt;
  const auto satype = satype_of(flush->proto);
  if (!satype && flush->proto != 0 && flush->proto != 255) return std::nullopt;
  Message m;
  m.type = pfkey::Type::flush;
  m.satype = satype.value_or(pfkey::SaType::unspec);
  return m;
}

std::optional<Message> expired(Bytes payload, const DecodeContext& context) {
  const auto expire = front<xfrm_user_expire>(payload);
  if (!expire) return std::nullopt;
  auto m = sa_of(payload, context);
  if (!m) return std::nullopt;
  m->type = pfkey::Type::expire;
  const Lifetime limits = (expire->hard ? m->hard : m->soft).value_or(Lifetime{});
  m->hard.reset(), m->soft.reset(), m->auth_key.reset(), m->encrypt_key.reset();
  (expire->hard ? m->hard : m->soft) = limits;
  // The message ends where the attributes would begin, so it lacks the algorithms of a complete SA.
  m->sa->state = expire->hard ? pfkey::State::dead : pfkey::State::dying;
  return m;
}

std::optional<Message> wanted(const NetlinkMessage& n) {
  const auto acquire = front<xfrm_user_acquire>(n.payload);
  if (!acquire) return std::nullopt;
  auto m = named(acquire->id.proto, acquire->id.spi, acquire->policy.sel.family, acquire->id.daddr, &acquire->saddr);
  if (!m) return std::nullopt;
  m->type = pfkey::Type::acquire;
  m->sa.reset();
  m->seq = acquire->seq;
  m->src->proto = m->dst->proto = acquire->sel.proto;
  std::tie(m->src->port, m->dst->port) = ports_of(acquire->sel);
  return m;
}

std::optional<Message> remapped(Bytes payload) {
  const auto map = front<xfrm_user_mapping>(payload);
  if (!map) return std::nullopt;
  auto m = named(map->id.proto, map->id.spi, map->id.family, map->id.daddr, &map->old_saddr);
  if (!m) return std::nullopt;
  m->type = pfkey::Type::x_nat_t_new_mapping;
  m->sa->state = pfkey::State::mature;  // Packets only meet mature SAs.
  m->natt_remote =
      pfkey::Endpoint{pfkey::kProtoUdp, 0, from_kernel(map->new_saddr, map->id.family), big_endian(map->new_sport)};
  remark(*m, fmt::format("the peer's NAT now uses port {} instead of {}", big_endian(map->new_sport),
                         big_endian(map->old_sport)));
  return m;
}

std::optional<Message> counted(Bytes payload) {
  const auto id = front<xfrm_aevent_id>(payload);
  if (!id) return std::nullopt;
  auto m = named(id->sa_id.proto, id->sa_id.spi, id->sa_id.family, id->sa_id.daddr, &id->saddr);
  if (!m) return std::nullopt;
  m->type = pfkey::Type::update;
  m->sa->state = pfkey::State::mature;
  const Attributes had(payload, sizeof *id);
  read_replay(*m, had);
  if (const auto used = had.get<xfrm_lifetime_cur>(XFRMA_LTIME_VAL))
    m->current = Lifetime{narrow(used->packets), used->bytes, used->add_time, used->use_time};
  if (id->reqid != 0) m->reqid = pfkey::Number{id->reqid};
  remark(*m, id->flags & XFRM_AE_CE   ? "replay event: the timer expired"
             : id->flags & XFRM_AE_CU ? "replay event: the sequence numbers were set"
                                      : "replay event: the sequence numbers have advanced");
  return m;
}

}  // namespace

std::optional<Message> event_of(const NetlinkMessage& n, const DecodeContext& context) {
  std::optional<Message> m;
  switch (n.type) {
    case XFRM_MSG_NEWSA:
    case XFRM_MSG_UPDSA:
      m = sa_of(n.payload, context);
      if (m) m->type = n.type == XFRM_MSG_NEWSA ? pfkey::Type::add : pfkey::Type::update;
      break;
    case XFRM_MSG_DELSA:
      m = deleted(n.payload, context);
      break;
    case XFRM_MSG_FLUSHSA:
      m = flushed(n.payload);
      break;
    case XFRM_MSG_EXPIRE:
      m = expired(n.payload, context);
      break;
    case XFRM_MSG_ACQUIRE:
      m = wanted(n);
      break;
    case XFRM_MSG_MAPPING:
      m = remapped(n.payload);
      break;
    case XFRM_MSG_NEWAE:
      m = counted(n.payload);
      break;
    default:
      break;
  }
  // Events report other programs' requests without keys; an ADD counts a key's bits differently from a GET.
  if (m) m->auth_key.reset(), m->encrypt_key.reset();
  if (m && n.type != XFRM_MSG_ACQUIRE) m->seq = n.seq;
  return m;
}

}  // namespace ipseckey::kernel::xfrm
