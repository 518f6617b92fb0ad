#pragma once
/// THE table of PF_POLICY's extensions: each row joins a number of the wire to a member of Message.
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "pfpolicy/message.h"

namespace ipseckey::pfpolicy {

struct Extension {
  template <class T>
  using Member = std::optional<T> Message::*;
  using Slot = std::variant<Member<Port>, Member<Protocol>, Member<policy::Prefix>, Member<ActionList>,
                            Member<RuleData>, Member<Ruleset>, Member<TypeCode>, Member<Text>, Member<pfkey::Mark>,
                            Member<pfkey::Number>, Member<Dropped>>;

  std::uint16_t id;
  std::string_view name;
  Slot slot;
  Diagnostic malformed, duplicate;
};
std::span<const Extension> extensions();

}  // namespace ipseckey::pfpolicy
