// PF_KEY requests as requests to the kernel:
// 1. put_sa() writes the fixed structure (info_of()) and, after it, an attribute for each part that the message has.
// 2. put_replay_state() uses the old structure if it is sufficient, otherwise the one with a bitmap, in which every
//    number up to the SA's own counts as seen.
// 3. put_algorithm() writes a name, a key and the length of the ICV.
// 4. put_name() names an SA to fetch or delete; dumps, flushes and larval SAs follow.
// 5. put_limits() and put_replay() return the kernel's own form of an SA with other limits or numbers.
#include "kernel/detail/xfrm_encode.h"

#include <algorithm>
#include <vector>

#include "kernel/detail/xfrm_attributes.h"
#include "kernel/detail/xfrm_label.h"
#include "kernel/detail/xfrm_plain.h"
#include "kernel/detail/xfrm_ports.h"
#include "pfkey/algorithms.h"

namespace ipseckey::kernel::xfrm {
namespace {

using pfkey::Message;

// The fields that identify an SA to the kernel; a missing source is the wildcard.
Address source_of(const Message& m) { return m.src ? m.src->address : unspecified(m.dst->address.family); }

bool one_way(std::uint32_t flags, std::uint32_t way) {
  return (flags & (pfkey::kFlagInbound | pfkey::kFlagOutbound)) == way;
}

xfrm_selector selector_of(const Message& m) {
  auto sel = zeroed<xfrm_selector>();
  if (!m.inner_src || !m.inner_dst) {  // In transport mode the addresses are those of the SA itself.
    sel.family = family_of(m.dst->address);
    sel.proto = m.dst->proto;
    put_ports(sel, m.src ? m.src->port : std::uint16_t{0}, m.dst->port);
    return sel;
  }
  sel.family = family_of(m.inner_dst->address);
  sel.saddr = to_kernel(m.inner_src->address), sel.prefixlen_s = m.inner_src->prefix;
  sel.daddr = to_kernel(m.inner_dst->address), sel.prefixlen_d = m.inner_dst->prefix;
  sel.proto = m.inner_dst->proto;
  put_ports(sel, m.inner_src->port, m.inner_dst->port);
  return sel;
}

// The kernel expresses "no limit" as all ones for counts and as 0 for times.
template <class T>
std::uint64_t counted(T limit) {
  return limit == 0 ? XFRM_INF : limit;
}

void set_soft(xfrm_lifetime_cfg& out, const pfkey::Lifetime& l) {
  out.soft_byte_limit = counted(l.bytes), out.soft_packet_limit = counted(l.allocations);
  out.soft_add_expires_seconds = l.addtime, out.soft_use_expires_seconds = l.usetime;
}

void set_hard(xfrm_lifetime_cfg& out, const pfkey::Lifetime& l) {
  out.hard_byte_limit = counted(l.bytes), out.hard_packet_limit = counted(l.allocations);
  out.hard_add_expires_seconds = l.addtime, out.hard_use_expires_seconds = l.usetime;
}

// Values that struct xfrm_usersa_info and its 32-bit bitmap cannot express.
bool wide(const Message& m) { return m.extended() || m.window() > 32; }

// The bits of the numbers up to `value` that the window still covers: they count as seen, so that none of them can be
// replayed to an SA that is loaded again.
std::uint32_t seen_bits(std::uint64_t value, std::uint32_t window) {
  const std::uint64_t count = std::min<std::uint64_t>({value, window, 32});
  return count == 32 ? UINT32_MAX : (1u << count) - 1;
}

// A structure followed by a bitmap, as octets.
std::vector<std::byte> wide_replay(WideReplay state, std::uint64_t seen) {
  std::vector<std::uint32_t> map(state.bmp_len);
  const std::uint64_t count = std::min<std::uint64_t>(seen, state.replay_window);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t bit = (seen - 1 - i) % state.replay_window;
    map[bit / 32] |= 1u << bit % 32;
  }
  const auto head = bytes_of(state), tail = std::as_bytes(std::span(map));
  std::vector<std::byte> out(head.size() + tail.size());
  std::ranges::copy(tail, std::ranges::copy(head, out.begin()).out);
  return out;
}

std::pair<std::uint64_t, std::uint64_t> sent_and_seen(std::uint64_t value, std::uint32_t direction) {
  return {one_way(direction, pfkey::kFlagInbound) ? 0 : value, one_way(direction, pfkey::kFlagOutbound) ? 0 : value};
}

void put_replay_state(const Message& m, NetlinkBatch& out) {
  const std::uint64_t value = m.replay_value ? m.replay_value->number() : 0;
  const auto [sent, seen] = sent_and_seen(value, m.sa->flags);
  if (wide(m)) {
    auto state = zeroed<WideReplay>();
    state.bmp_len = (m.window() + 31) / 32;
    state.replay_window = m.window();
    state.oseq = static_cast<std::uint32_t>(sent), state.seq = static_cast<std::uint32_t>(seen);
    state.oseq_hi = static_cast<std::uint32_t>(sent >> 32), state.seq_hi = static_cast<std::uint32_t>(seen >> 32);
    return out.attribute(XFRMA_REPLAY_ESN_VAL, wide_replay(state, seen));
  }
  if (value == 0) return;
  auto state = zeroed<xfrm_replay_state>();
  state.oseq = static_cast<std::uint32_t>(sent), state.seq = static_cast<std::uint32_t>(seen);
  state.bitmap = seen_bits(seen, m.window());
  out.attribute(XFRMA_REPLAY_VAL, bytes_of(state));
}

// struct xfrm_algo, _auth and _aead begin alike: a 64-octet name and the key's bits; the latter two have the ICV's.
void put_algorithm(std::uint16_t type, const pfkey::Algorithm& row, Bytes key, std::optional<std::uint32_t> icv_bits,
                   NetlinkBatch& out) {
  std::array<std::byte, 72 + Secret::kMaxSize> room{};
  Writer w(room);
  w.bytes(std::as_bytes(std::span(row.kernel)));
  w.pad(64 - row.kernel.size());
  w.host(static_cast<std::uint32_t>(key.size() * 8));
  if (icv_bits) w.host(*icv_bits);
  w.bytes(key);
  out.attribute(type, Bytes(room).first(w.size()));
  wipe(room);
}

std::uint32_t icv_bits_of(const Message& m, const pfkey::Algorithm& auth) {
  return m.icv ? m.icv->value : auth.icv * 8u;
}

void put_algorithms(const Message& m, NetlinkBatch& out) {
  using enum pfkey::AlgorithmKind;
  const auto key_of = [](const std::optional<pfkey::Key>& key) { return key ? key->material.bytes() : Bytes{}; };
  if (const pfkey::Algorithm* const row = pfkey::find_algorithm(auth, m.sa->auth))
    put_algorithm(XFRMA_ALG_AUTH_TRUNC, *row, key_of(m.auth_key), icv_bits_of(m, *row), out);
  const pfkey::Algorithm* const row = pfkey::find_algorithm(encrypt, m.sa->encrypt);
  if (!row || m.satype == pfkey::SaType::ah) return;
  const Bytes key = key_of(m.encrypt_key);
  if (row->combined()) return put_algorithm(XFRMA_ALG_AEAD, *row, key, row->icv * 8u, out);
  put_algorithm(XFRMA_ALG_CRYPT, *row, key, std::nullopt, out);
}

void put_encapsulation(const Message& m, NetlinkBatch& out) {
  if (!m.natt_local && !m.natt_remote) return;
  const std::uint16_t here = pfkey::nat_port(m.natt_local), there = pfkey::nat_port(m.natt_remote);
  const bool in = one_way(m.sa->flags, pfkey::kFlagInbound);
  auto encap = zeroed<xfrm_encap_tmpl>();
  encap.encap_type = kUdpEncapsulation;
  encap.encap_sport = big_endian(in ? there : here);
  encap.encap_dport = big_endian(in ? here : there);
  if (m.natt_remote) encap.encap_oa = to_kernel(m.natt_remote->address);
  out.attribute(XFRMA_ENCAP, bytes_of(encap));
}

void put_context(const Message& m, NetlinkBatch& out) {
  if (!m.sensitivity) return;
  const std::string context = context_of(*m.sensitivity);
  std::vector<std::byte> room(sizeof(xfrm_user_sec_ctx) + context.size() + 1);
  auto head = zeroed<xfrm_user_sec_ctx>();
  head.len = static_cast<std::uint16_t>(room.size());
  head.exttype = XFRMA_SEC_CTX;
  head.ctx_alg = XFRM_SC_ALG_SELINUX, head.ctx_doi = XFRM_SC_DOI_LSM;
  head.ctx_len = static_cast<std::uint16_t>(context.size() + 1);
  Writer w(room);
  w.bytes(bytes_of(head));
  w.bytes(std::as_bytes(std::span(context)));
  out.attribute(XFRMA_SEC_CTX, room);
}

void put_direction(const Message& m, NetlinkBatch& out) {
  const bool in = one_way(m.sa->flags, pfkey::kFlagInbound), outward = one_way(m.sa->flags, pfkey::kFlagOutbound);
  // If the kernel knows that an SA is for sending, it may refuse a window for it.
  if (!in && (!outward || m.window() != 0)) return;
  if (bars_direction(m, in ? pfkey::kFlagInbound : pfkey::kFlagOutbound)) return;
  const std::uint8_t direction = in ? kDirectionIn : kDirectionOut;
  out.attribute(kSaDirection, bytes_of(direction));
}

// AH over IPv4 is padded as in RFC 4302, unless the SA requests Linux's own way.
bool wants_align4(const Message& m) {
  if (m.satype != pfkey::SaType::ah || m.dst->address.family != Family::v4) return false;
  const pfkey::Algorithm* const row = pfkey::find_algorithm(pfkey::AlgorithmKind::auth, m.sa->auth);
  return row && alignment_matters(icv_bits_of(m, *row)) && !(m.ah_align && m.ah_align->value == 8);
}

xfrm_usersa_info info_of(const Message& m, const Devices& devices) {
  auto info = zeroed<xfrm_usersa_info>();
  info.sel = selector_of(m);
  info.id.daddr = to_kernel(m.dst->address);
  info.id.spi = big_endian(m.sa->spi);
  info.id.proto = protocol_of(m.satype);
  info.saddr = to_kernel(source_of(m));
  info.family = family_of(m.dst->address);
  info.mode = m.inner_dst ? XFRM_MODE_TUNNEL : XFRM_MODE_TRANSPORT;
  put_fields(m, devices, info);
  if (!wide(m)) info.replay_window = static_cast<std::uint8_t>(m.window());
  if (m.extended()) info.flags |= XFRM_STATE_ESN;
  if (wants_align4(m)) info.flags |= XFRM_STATE_ALIGN4;
  set_soft(info.lft, m.soft.value_or(pfkey::Lifetime{}));
  set_hard(info.lft, m.hard.value_or(pfkey::Lifetime{}));
  return info;
}

}  // namespace

bool put_sa(const Message& m, std::uint16_t type, const Devices& devices, NetlinkBatch& out) {
  out.begin(type, type == XFRM_MSG_NEWSA ? NLM_F_CREATE | NLM_F_EXCL : 0);
  out.body(bytes_of(info_of(m, devices)));
  put_algorithms(m, out);
  put_encapsulation(m, out);
  put_mark(m, out);
  put_replay_state(m, out);
  put_context(m, out);
  put_attributes(m, devices, out);
  put_direction(m, out);
  if (out.ok()) return true;
  out.drop();
  return false;
}

void put_name(const Message& m, std::uint16_t type, NetlinkBatch& out) {
  auto id = zeroed<xfrm_usersa_id>();
  id.daddr = to_kernel(m.dst->address);
  id.spi = big_endian(m.sa->spi);
  id.family = family_of(m.dst->address);
  id.proto = protocol_of(m.satype);
  out.begin(type);
  out.body(bytes_of(id));
  put_mark(m, out);
}

void put_dump(pfkey::SaType satype, NetlinkBatch& out) {
  out.begin(XFRM_MSG_GETSA, NLM_F_DUMP);  // No body: the kernel expects attributes right after the header.
  const std::uint8_t protocol = protocol_of(satype);
  if (protocol != 0) out.attribute(XFRMA_PROTO, bytes_of(protocol));
}

void put_dump_to(const Address& dst, NetlinkBatch& out) {
  auto filter = zeroed<xfrm_address_filter>();
  filter.daddr = to_kernel(dst), filter.family = family_of(dst), filter.dplen = static_cast<std::uint8_t>(dst.bits());
  out.begin(XFRM_MSG_GETSA, NLM_F_DUMP);
  out.attribute(XFRMA_ADDRESS_FILTER, bytes_of(filter));
}

void put_policy_dump(NetlinkBatch& out) { out.begin(XFRM_MSG_GETPOLICY, NLM_F_DUMP); }

void put_flush(pfkey::SaType satype, NetlinkBatch& out) {
  auto flush = zeroed<xfrm_usersa_flush>();
  flush.proto = protocol_of(satype);
  out.begin(XFRM_MSG_FLUSHSA);
  out.body(bytes_of(flush));
}

void put_larval(const Message& m, std::uint32_t spi, NetlinkBatch& out) {
  auto request = zeroed<xfrm_userspi_info>();
  request.info.id.daddr = to_kernel(m.dst->address);
  request.info.id.proto = protocol_of(m.satype);
  request.info.saddr = to_kernel(source_of(m));
  request.info.family = family_of(m.dst->address);
  request.info.reqid = m.reqid ? m.reqid->value : 0;
  request.min = request.max = spi;
  out.begin(XFRM_MSG_ALLOCSPI);
  out.body(bytes_of(request));
  put_mark(m, out);
}

bool put_limits(Bytes payload, const pfkey::Lifetime& soft, const pfkey::Lifetime& hard, NetlinkBatch& out) {
  auto info = front<xfrm_usersa_info>(payload);
  if (!info) return false;
  set_soft(info->lft, soft);
  set_hard(info->lft, hard);
  out.begin(XFRM_MSG_UPDSA);
  out.body(bytes_of(*info));
  Attributes(payload, sizeof *info).for_each([&](std::uint16_t type, Bytes value) {
    // The SA stays with its device; the kernel would refuse a second state for it. The rest is only reported, never
    // accepted.
    if (type == XFRMA_OFFLOAD_DEV || type == XFRMA_LASTUSED || type == XFRMA_PAD) return;
    out.attribute(type, value);
  });
  return true;
}

bool put_replay(Bytes payload, std::uint64_t value, std::uint32_t direction, NetlinkBatch& out) {
  const auto info = front<xfrm_usersa_info>(payload);
  if (!info) return false;
  const Attributes had(payload, sizeof *info);
  auto id = zeroed<xfrm_aevent_id>();
  id.sa_id.daddr = info->id.daddr, id.sa_id.spi = info->id.spi;
  id.sa_id.family = info->family, id.sa_id.proto = info->id.proto;
  id.saddr = info->saddr, id.reqid = info->reqid, id.flags = XFRM_AE_RVAL;
  out.begin(XFRM_MSG_NEWAE, NLM_F_REPLACE);
  out.body(bytes_of(id));
  if (had.has(XFRMA_MARK)) out.attribute(XFRMA_MARK, had[XFRMA_MARK]);
  const auto [sent, seen] = sent_and_seen(value, direction);
  if (auto wide = had.get<WideReplay>(XFRMA_REPLAY_ESN_VAL)) {
    if (sent) wide->oseq = static_cast<std::uint32_t>(sent), wide->oseq_hi = static_cast<std::uint32_t>(sent >> 32);
    if (seen) wide->seq = static_cast<std::uint32_t>(seen), wide->seq_hi = static_cast<std::uint32_t>(seen >> 32);
    wide->bmp_len = std::min(wide->bmp_len, pfkey::ReplayWindow::kMost / 32);
    wide->replay_window = std::min(wide->replay_window, wide->bmp_len * 32);  // The bitmap contains the window.
    if (wide->replay_window == 0) wide->bmp_len = 0;
    out.attribute(XFRMA_REPLAY_ESN_VAL, wide_replay(*wide, seen));
    return true;
  }
  auto state = had.get<xfrm_replay_state>(XFRMA_REPLAY_VAL).value_or(zeroed<xfrm_replay_state>());
  if (sent) state.oseq = static_cast<std::uint32_t>(sent);
  if (seen) state.seq = static_cast<std::uint32_t>(seen), state.bitmap = seen_bits(seen, info->replay_window);
  out.attribute(XFRMA_REPLAY_VAL, bytes_of(state));
  return true;
}

}  // namespace ipseckey::kernel::xfrm
