#pragma once
/// How the value of a plain keyword, one with a place of its own in the PF_KEY message, is put there and read back. For
/// the table of keywords only (keywords.cc): a row names its Joint, which names the member of SaSpec. Code for
/// several keywords at once (addresses, keys, NAT traversal) is in request.cc and to_spec.cc.
#include <algorithm>
#include <utility>

#include "lang/keywords.h"

namespace ipseckey::lang::joints {

using S = SaSpec;
using pfkey::Lifetime;
using pfkey::Message;

template <class T, class V>
std::optional<T> unless_zero(V v) {
  return v == 0 ? std::nullopt : std::optional(T{v});
}

template <class T>
T value_type(std::optional<T> S::*);
template <auto member>
using ValueOf = decltype(value_type(member));

// ---- kinds: the member and its place

/// Leaves out a value that means the same as none.
template <auto member, auto none>
void settle(S& s) {
  if (s.*member == none) (s.*member).reset();
}

template <auto member, auto... none>
constexpr auto settle_if() -> decltype(Joint::settle) {
  if constexpr (sizeof...(none) == 0) {
    return nullptr;
  } else {
    return (settle<member, none>, ...);
  }
}

/// The value is an extension of its own. `none`: a value that means the same as none, if there is one.
template <auto member, auto place, auto... none>
constexpr Joint kWhole{.slot = member,
                       .put =
                           [](S& s, Message& m) {
                             if (s.*member) m.*place = std::move(*(s.*member));
                           },
                       .take =
                           [](const Message& m, S& s) {
                             if (m.*place) s.*member = *(m.*place);
                           },
                       .settle = settle_if<member, none...>(),
                       .own = &pfkey::kRowOf<place>};

/// So is this one, a number. Its row in extensions() says which one an SA has without a word, and which is the
/// greatest: more would be another value.
template <auto place>
constexpr Joint kNumber{.slot = kPlain<place>,
                        .put =
                            [](S& s, Message& m) {
                              if (const auto& value = s.*kPlain<place>) m.*place = pfkey::Number{value->value};
                            },
                        .take =
                            [](const Message& m, S& s) {
                              constexpr std::uint32_t kMost = pfkey::kRowOf<place>.kept->most;
                              if (m.*place) s.*kPlain<place> = Plain<place>{std::min((m.*place)->value, kMost)};
                            },
                        .settle =
                            [](S& s) {
                              const auto unsaid = pfkey::kRowOf<place>.kept->unsaid;
                              auto& value = s.*kPlain<place>;
                              if (unsaid && value && value->value == unsaid(s.auth ? s.auth->number : 0)) value.reset();
                            },
                        .own = &pfkey::kRowOf<place>};

/// A bit of the SA.
template <auto member, std::uint32_t bit>
constexpr Joint kFlag{member,
                      [](S& s, Message& m) {
                        if (s.*member) m.sa->flags |= bit;
                      },
                      [](const Message& m, S& s) {
                        if (m.sa->flags & bit) s.*member = Flag{};
                      }};

/// An algorithm's number in the SA; 0 is none.
template <auto member, auto place>
constexpr Joint kAlgorithm{member,
                           [](S& s, Message& m) {
                             if (s.*member) (*m.sa).*place = (s.*member)->number;
                           },
                           [](const Message& m, S& s) { s.*member = unless_zero<ValueOf<member>>((*m.sa).*place); }};

/// A part of a lifetime; 0 means no limit. An UPDATE brings it.
template <auto member, auto lifetime, auto part>
constexpr Joint kLimit{member,
                       [](S& s, Message& m) {
                         if (!(s.*member)) return;
                         if (!(m.*lifetime)) (m.*lifetime).emplace();
                         (*(m.*lifetime)).*part = (s.*member)->value;
                       },
                       [](const Message& m, S& s) {
                         if (m.*lifetime) s.*member = unless_zero<ValueOf<member>>((*(m.*lifetime)).*part);
                       },
                       nullptr, true};

template <auto member, auto place>
constexpr Joint kIdentity{member,
                          [](S& s, Message& m) {
                            if (s.*member)
                              m.*place = pfkey::Identity{(s.*member)->type, 0, std::move((s.*member)->text)};
                          },
                          [](const Message& m, S& s) {
                            if (m.*place) s.*member = Identity{(m.*place)->type, (m.*place)->text};
                          }};

/// Labels of the inside, and of the outside with and without the flag, which are one extension.
template <auto member, auto place, std::uint32_t flags>
constexpr Joint kLabel{member,
                       [](S& s, Message& m) {
                         if (!(s.*member)) return;
                         pfkey::Sensitivity label;
                         label.dpd = 1, label.level = (s.*member)->level, label.flags = flags;
                         label.bitmap = std::move((s.*member)->compartments);
                         m.*place = std::move(label);
                       },
                       [](const Message& m, S& s) {
                         const bool inside = place == &Message::sensitivity;
                         if (m.*place && (inside || ((m.*place)->flags & pfkey::kSensImplicit) == flags))
                           s.*member = Label{(m.*place)->level, (m.*place)->bitmap};
                       }};

// ---- values that share a place, or mean another thing in a reply

constexpr Joint kSpi{&S::spi,
                     [](S& s, Message& m) {
                       if (s.spi) m.sa->spi = s.spi->value;
                     },
                     [](const Message& m, S& s) { s.spi = Spi{m.sa->spi}; }};

constexpr Joint kPair{&S::pair_spi,
                      [](S& s, Message& m) {
                        if (!s.pair_spi) return;
                        m.sa->flags |= pfkey::kFlagPaired;
                        m.pair = pfkey::Pair{s.pair_spi->value};
                      },
                      [](const Message& m, S& s) {
                        if (m.pair) s.pair_spi = unless_zero<Spi>(m.pair->spi);
                      }};

constexpr Joint kWindow{&S::replay,
                        [](S& s, Message& m) {
                          if (!s.replay) return;
                          const std::uint32_t packets = s.replay->value;
                          m.sa->replay = static_cast<std::uint8_t>(std::min<std::uint32_t>(packets, UINT8_MAX));
                          if (packets > UINT8_MAX) m.replay_window = pfkey::ReplayWindow{packets, false};
                        },
                        [](const Message& m, S& s) { s.replay = unless_zero<Window>(m.window()); }};

/// Its row follows that of kWindow, whose extension it shares.
constexpr Joint kEsn{&S::esn,
                     [](S& s, Message& m) {
                       if (s.esn) m.replay_window = pfkey::ReplayWindow{m.window(), true};
                     },
                     [](const Message& m, S& s) {
                       if (m.extended()) s.esn = Flag{};
                     }};

// Numbers that were sent must not be sent again, and packets are sent after the save: an SA that has sent is saved
// with a margin, once. Loaded, it is unused, so that a save of it yields the same. One that receives, too, has one
// number for both: with a margin, its replay window would drop all packets of the peer.
inline std::optional<Count> resumed(const Message& m) {
  if (!m.replay_value) return std::nullopt;
  constexpr std::uint32_t kIn = pfkey::kFlagInbound, kOut = pfkey::kFlagOutbound;
  const std::uint64_t number = m.replay_value->number();
  const std::uint32_t way = m.sa->flags & (kIn | kOut);  // None: both.
  const bool checks = way != kOut && m.window() != 0;
  if (way == kIn || checks || !(m.sa->flags & pfkey::kFlagUsed)) return unless_zero<Count>(number);
  const std::uint64_t last = m.extended() ? UINT64_MAX : UINT32_MAX;
  return Count{last - number < kSaveMargin ? last : number + kSaveMargin};
}

constexpr Joint kReplayValue{&S::replay_value,
                             [](S& s, Message& m) {
                               if (s.replay_value) m.replay_value = pfkey::ReplayValue::of(s.replay_value->value);
                             },
                             [](const Message& m, S& s) { s.replay_value = resumed(m); }, nullptr, true};

/// The states between which an SA changes by itself are not saved.
constexpr Joint kState{&S::state,
                       [](S& s, Message& m) {
                         if (s.state) m.sa->state = *s.state;
                       },
                       [](const Message& m, S& s) {
                         if (m.sa->state == pfkey::State::active_elsewhere) s.state = m.sa->state;
                       }};

constexpr Joint kAlign8{&S::align8,
                        [](S& s, Message& m) {
                          if (s.align8) m.ah_align = pfkey::Number{8};
                        },
                        [](const Message& m, S& s) {
                          if (m.ah_align && m.ah_align->value == 8) s.align8 = Flag{};
                        }};

}  // namespace ipseckey::lang::joints
