// Writes the corpus of PF_POLICY messages: one for each extension and attribute of the tables, and short sessions.
#include <cstdio>
#include <fstream>
#include <initializer_list>
#include <string>
#include <vector>

#include "pfpolicy/attributes.h"
#include "pfpolicy/codec.h"
#include "pfpolicy/convert.h"
#include "pfpolicy/extensions.h"

using namespace ipseckey;

namespace {

using namespace pfpolicy;

void write(const std::string& path, std::initializer_list<Message> list) {
  std::ofstream file(path, std::ios::binary);
  std::vector<std::byte> room(65536);
  for (const Message& m : list)
    for (std::size_t i = 0; i < encode(m, room).value_or(0); ++i) file.put(static_cast<char>(room[i]));
}

Message say(Type type, Spd spd) {
  Message m;
  m.type = type, m.spd = spd, m.seq = 1, m.pid = 1;
  m.tunnel = Text{};
  return m;
}
Message add(const policy::Rule& rule, Spd spd = Spd::active) {
  Message m = from_rule(rule, 5);
  m.type = Type::addrule, m.spd = spd, m.seq = 2, m.pid = 1;
  return m;
}

policy::Rule sample() {
  policy::Rule r;
  r.selector.remote = policy::Prefix{*parse_address("10.0.0.0"), 8};
  r.out = r.in = true;
  policy::Protection p;
  p.cipher = policy::Choice{12, 128, 256};
  p.integrity = policy::Choice{5, {}, {}};
  r.alternatives = {{policy::Action::ipsec, p}};
  return r;
}

void rows(const std::string& folder) {
  Message all = add(sample());
  all.local_port = Port{22}, all.remote_port = Port{23}, all.protocol = Protocol{6};
  all.local = policy::Prefix{*parse_address("2001:db8::"), 32};
  all.ruleset = Ruleset{1, 2}, all.type_code = TypeCode{3, 5, 0, 1}, all.tunnel = Text{"t0"};
  all.mark = pfkey::Mark{1, 3}, all.if_id = pfkey::Number{4}, all.line = pfkey::Number{5}, all.remark = Text{"why"};
  for (const Extension& row : extensions()) {
    Message m = say(Type::addrule, Spd::active);
    m.tunnel.reset();
    std::visit([&](auto member) { m.*member = all.*member; }, row.slot);
    write(folder + "/" + std::string(row.name), {m});
  }
  write(folder + "/everything", {all});
  for (const AttributeRow& row : attributes()) {
    Message m = add(sample());
    m.action->attributes = {{kType, kIpsec}, {kFlags, kFlagAh | kFlagEsp | kFlagEspAuth}, {row.tag, 4}, {kEnd, 0}};
    write(folder + "/" + std::string(row.name), {m});
  }
}

void sessions(const std::string& folder) {
  policy::Rule tunnel = sample(), drop = sample(), ends = sample();
  tunnel.tunnel = policy::Tunnel{"t0"};
  drop.alternatives = {{policy::Action::drop, {}}};
  drop.selector.remote.reset();
  ends.alternatives[0].protection.ends =
      policy::TunnelEnds{*parse_address("2001:db8::1"), *parse_address("2001:db8::2")};
  Message remove = add(sample());
  remove.type = Type::deleterule;
  Message by_index = remove;
  by_index.rule->index = 1;
  write(folder + "/replace", {say(Type::clone, Spd::standby), say(Type::flush, Spd::standby),
                              add(sample(), Spd::standby), add(drop, Spd::standby), say(Type::flip, Spd::standby),
                              say(Type::dump, Spd::active), say(Type::dump, Spd::standby)});
  write(folder + "/remove", {add(sample()), add(sample()), add(tunnel), remove, remove, by_index, add(drop),
                             say(Type::flush, Spd::active)});
  write(folder + "/ends", {add(ends), say(Type::dump, Spd::active)});
  Message other = say(Type::clone, Spd::standby);
  other.pid = 2;
  write(folder + "/two-clients",
        {say(Type::clone, Spd::standby), other, add(sample(), Spd::standby), say(Type::flip, Spd::standby), other});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: fuzz_pfpolicy_seeds FOLDER    Writes FOLDER/*, messages; the folder must exist.\n", stderr);
    return 2;
  }
  rows(argv[1]);
  sessions(argv[1]);
  return 0;
}
