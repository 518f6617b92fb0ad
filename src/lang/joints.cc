#include "lang/joints.h"

#include <algorithm>
#include <array>
#include <limits>
#include <tuple>

namespace lang {
namespace {

using S = SaSpec;
using pfkey::Lifetime;
using pfkey::Message;

// A row: put(message, value) writes, take(message) reads; nullopt: nothing would have to be said. `none`: a value that
// means the same as none.
template <class T, class Put, class Take>
struct Joint {
  std::optional<T> S::* member;
  Put put;
  Take take;
  bool names = false;
  bool updatable = false;
  std::optional<T> none = std::nullopt;
};

constexpr bool kNames = true, kUpdatable = true;

template <class T, class V>
std::optional<T> unless_zero(V v) {
  return v == 0 ? std::nullopt : std::optional(T{v});
}

// ---- kinds of rows

// The value is an extension of its own.
template <class T, class Place>
constexpr auto whole(std::optional<T> S::* member, Place Message::* place, bool names = false,
                     std::optional<T> none = std::nullopt) {
  return Joint{member,
               [place](Message& m, T& v) { m.*place = std::move(v); },
               [place](const Message& m) { return m.*place ? std::optional<T>(*(m.*place)) : std::nullopt; },
               names,
               false,
               std::move(none)};
}

// So is this one, a number of which one value, 0 unless another is named, says nothing.
template <class T>
constexpr auto number(std::optional<T> S::* member, std::optional<pfkey::Number> Message::* place, T none = T{0}) {
  return Joint{member,
               [place](Message& m, const T& v) { m.*place = pfkey::Number{v.value}; },
               [place](const Message& m) {
                 using Value = decltype(T::value);
                 constexpr std::uint32_t kMost = std::numeric_limits<Value>::max();  // More would be another value.
                 return m.*place ? std::optional<T>(T{static_cast<Value>(std::min((m.*place)->value, kMost))})
                                 : std::nullopt;
               },
               false,
               false,
               std::optional<T>(none)};
}

// A bit of the SA.
constexpr auto flag(std::optional<Flag> S::* member, std::uint32_t bit) {
  return Joint{member, [bit](Message& m, Flag) { m.sa->flags |= bit; },
               [bit](const Message& m) { return m.sa->flags & bit ? std::optional<Flag>(Flag{}) : std::nullopt; },
               kNames};
}

// An algorithm's number in the SA; 0 is none.
template <class T>
constexpr auto algorithm(std::optional<T> S::* member, std::uint8_t pfkey::Sa::* place) {
  return Joint{member, [place](Message& m, const T& v) { (*m.sa).*place = v.number; },
               [place](const Message& m) { return unless_zero<T>((*m.sa).*place); }};
}

// A part of a lifetime; 0 is no limit.
template <class T, class Part>
constexpr auto limit(std::optional<T> S::* member, std::optional<Lifetime> Message::* lifetime, Part Lifetime::* part) {
  return Joint{member,
               [lifetime, part](Message& m, const T& v) {
                 if (!(m.*lifetime)) (m.*lifetime).emplace();
                 (*(m.*lifetime)).*part = v.value;
               },
               [lifetime, part](const Message& m) {
                 return m.*lifetime ? unless_zero<T>((*(m.*lifetime)).*part) : std::nullopt;
               },
               false, kUpdatable};
}

constexpr auto identity(std::optional<Identity> S::* member, Boxed<pfkey::Identity> Message::* place) {
  return Joint{member, [place](Message& m, Identity& v) { m.*place = pfkey::Identity{v.type, 0, std::move(v.text)}; },
               [place](const Message& m) {
                 return m.*place ? std::optional(Identity{(m.*place)->type, (m.*place)->text}) : std::nullopt;
               }};
}

// Labels of the inside, and of the outside with and without the flag, which are one extension.
constexpr auto label(std::optional<Label> S::* member, Boxed<pfkey::Sensitivity> Message::* place,
                     std::uint32_t flags) {
  return Joint{member,
               [place, flags](Message& m, Label& v) {
                 pfkey::Sensitivity s;
                 s.dpd = 1, s.level = v.level, s.flags = flags, s.bitmap = std::move(v.compartments);
                 m.*place = std::move(s);
               },
               [place, flags](const Message& m) {
                 const bool ours = m.*place && (place == &Message::sensitivity ||
                                                ((m.*place)->flags & pfkey::kSensImplicit) == flags);
                 return ours ? std::optional(Label{(m.*place)->level, (m.*place)->bitmap}) : std::nullopt;
               }};
}

// ---- values that share a place, or mean another thing in a reply

void put_window(Message& m, const Window& v) {
  m.sa->replay = static_cast<std::uint8_t>(std::min<std::uint32_t>(v.value, UINT8_MAX));
  if (v.value > UINT8_MAX) m.replay_window = pfkey::ReplayWindow{v.value, false};
}

void put_esn(Message& m, Flag) { m.replay_window = pfkey::ReplayWindow{m.window(), true}; }

// Numbers that were sent must not be sent again, and packets go on while the file lies there: an SA that has sent goes
// on a good way ahead, once. Loaded, it is unused, so that a save of it says the same. One that receives, too, has one
// number for both: ahead of it, its replay window would let in nothing of the peer's.
std::optional<Count> resumed(const Message& m) {
  if (!m.replay_value) return std::nullopt;
  constexpr std::uint32_t kIn = pfkey::kFlagInbound, kOut = pfkey::kFlagOutbound;
  const std::uint64_t number = m.replay_value->number();
  const std::uint32_t way = m.sa->flags & (kIn | kOut);  // None: both.
  const bool checks = way != kOut && m.window() != 0;
  if (way == kIn || checks || !(m.sa->flags & pfkey::kFlagUsed)) return unless_zero<Count>(number);
  const std::uint64_t last = m.extended() ? UINT64_MAX : UINT32_MAX;
  return Count{last - number < kSaveMargin ? last : number + kSaveMargin};
}

void put_pair(Message& m, const Spi& v) {
  m.sa->flags |= pfkey::kFlagPaired;
  m.pair = pfkey::Pair{v.value};
}

// The states between which an SA goes by itself are not said.
std::optional<pfkey::State> state_to_say(const Message& m) {
  return m.sa->state == pfkey::State::active_elsewhere ? std::optional(m.sa->state) : std::nullopt;
}

template <class T>
std::optional<T> if_so(bool so) {
  return so ? std::optional<T>(T{}) : std::nullopt;
}

constexpr std::tuple kJoints{
    Joint{&S::spi, [](Message& m, const Spi& v) { m.sa->spi = v.value; },
          [](const Message& m) { return std::optional(Spi{m.sa->spi}); }, kNames},
    Joint{&S::pair_spi, put_pair,
          [](const Message& m) { return m.pair ? unless_zero<Spi>(m.pair->spi) : std::nullopt; }},
    flag(&S::inbound, pfkey::kFlagInbound),
    flag(&S::outbound, pfkey::kFlagOutbound),
    algorithm(&S::encrypt, &pfkey::Sa::encrypt),
    algorithm(&S::auth, &pfkey::Sa::auth),
    number(&S::icv, &Message::icv),
    number(&S::tfcpad, &Message::tfc_pad),
    number(&S::df, &Message::df, Df{pfkey::kDfCopy}),
    number(&S::dscp, &Message::dscp, Dscp{pfkey::kDscpKeep}),
    number(&S::keepalive, &Message::keepalive),
    Joint{&S::replay, put_window, [](const Message& m) { return unless_zero<Window>(m.window()); }},
    Joint{&S::esn, put_esn, [](const Message& m) { return if_so<Flag>(m.extended()); }},
    Joint{&S::replay_value, [](Message& m, const Count& v) { m.replay_value = pfkey::ReplayValue::of(v.value); },
          resumed, false, kUpdatable},
    Joint{&S::state, [](Message& m, const pfkey::State& v) { m.sa->state = v; }, state_to_say},
    limit(&S::soft_bytes, &Message::soft, &Lifetime::bytes),
    limit(&S::soft_addtime, &Message::soft, &Lifetime::addtime),
    limit(&S::soft_usetime, &Message::soft, &Lifetime::usetime),
    limit(&S::soft_alloc, &Message::soft, &Lifetime::allocations),
    limit(&S::hard_bytes, &Message::hard, &Lifetime::bytes),
    limit(&S::hard_addtime, &Message::hard, &Lifetime::addtime),
    limit(&S::hard_usetime, &Message::hard, &Lifetime::usetime),
    limit(&S::hard_alloc, &Message::hard, &Lifetime::allocations),
    limit(&S::idle_addtime, &Message::idle, &Lifetime::addtime),
    limit(&S::idle_usetime, &Message::idle, &Lifetime::usetime),
    identity(&S::src_identity, &Message::src_identity),
    identity(&S::dst_identity, &Message::dst_identity),
    label(&S::label, &Message::sensitivity, 0),
    label(&S::outer_label, &Message::outer_sensitivity, 0),
    label(&S::implicit_label, &Message::outer_sensitivity, pfkey::kSensImplicit),
    number(&S::reqid, &Message::reqid),
    number(&S::bundle, &Message::bundle),
    whole(&S::mark, &Message::mark, kNames),
    number(&S::if_id, &Message::if_id),
    Joint{&S::align8, [](Message& m, Flag) { m.ah_align = pfkey::Number{8}; },
          [](const Message& m) { return if_so<Flag>(m.ah_align && m.ah_align->value == 8); }},
    whole(&S::output_mark, &Message::output_mark, false, std::optional(pfkey::Mark{0, 0})),
    whole(&S::device, &Message::device),
    whole(&S::offload, &Message::offload),
};

template <class F>
void for_each_joint(F f) {
  std::apply([&](const auto&... joint) { (f(joint), ...); }, kJoints);
}

constexpr auto kJoined = std::apply(
    [](const auto&... joint) { return std::array{Joined{joint.member, joint.names, joint.updatable}...}; }, kJoints);

consteval bool each_once() {
  for (const Joined& a : kJoined)
    for (const Joined& b : kJoined)
      if (&a != &b && a.slot == b.slot) return false;
  return true;
}
static_assert(each_once(), "a member has two rows");

}  // namespace

std::span<const Joined> joined() { return kJoined; }

void put_joined(SaSpec& spec, Put which, Message& m) {
  for_each_joint([&](const auto& joint) {
    if ((which == Put::all || joint.names) && spec.*joint.member) joint.put(m, *(spec.*joint.member));
  });
}

void take_joined(const Message& m, SaSpec& spec) {
  for_each_joint([&](const auto& joint) { spec.*joint.member = joint.take(m); });
}

void settle_joined(SaSpec& spec) {
  for_each_joint([&](const auto& joint) {
    if (joint.none && spec.*joint.member == joint.none) (spec.*joint.member).reset();
  });
}

}  // namespace lang
