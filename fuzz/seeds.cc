// Writes the binary corpora: one file for each message in the tests, and short sessions with the engine.
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/testing.h"
#include "pfkey/codec.h"
#include "pfkey/extensions.h"
#include "pfkey/test_samples.h"

using namespace ipseckey;

namespace {

using namespace pfkey;
using Wire = std::vector<std::byte>;

Wire wire(const Message& m) {
  Wire out(65536);
  out.resize(encode(m, out).value_or(0));
  return out;
}

void write(const std::string& path, const Wire& bytes) {
  std::ofstream file(path, std::ios::binary);
  for (const std::byte b : bytes) file.put(static_cast<char>(b));
}

void messages(const std::string& folder) {
  const Message all = samples::everything();
  write(folder + "/everything", wire(all));
  write(folder + "/tunnel-sa", wire(samples::tunnel_sa()));
  write(folder + "/header", wire(samples::header(Type::flush, SaType::unspec, 1, 2)));
  for (const Extension& row : extensions()) {
    Message one = samples::header(row.id == kOwnExtensionFirst ? Type::get : Type::add, SaType::esp, 1, 2);
    std::visit(
        [&](auto member) {
          Message copy = all.clone();
          one.*member = std::move(copy.*member);
        },
        row.slot);
    if (one.encrypt_key) one.encrypt_key->bits += std::exchange(one.encrypt_key->reserved, std::uint16_t{0});
    write(folder + "/" + std::string(row.name), wire(one));
  }
}

// Steps in the form that engine.cc reads.
class Session {
 public:
  Session& send(const Message& m, unsigned client = 0) {
    op(0, client);
    const Wire bytes = wire(m);
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Session& wait(unsigned seconds) { return op(2, 0).byte(seconds); }
  Session& wait_long(unsigned ten_minutes) { return op(3, 0).byte(ten_minutes); }
  Session& pull(unsigned client = 0) { return op(4, client); }
  Session& reopen(unsigned client = 0) { return op(5, client); }
  Session& acquire(unsigned last) { return op(7, 0).byte(last); }
  Session& charge(bool esp, std::uint32_t spi, unsigned last, std::uint32_t size) {
    op(6, 0).byte(esp);
    for (int shift = 24; shift >= 0; shift -= 8) byte(spi >> shift & 255u);
    byte(last);
    for (int shift = 0; shift < 32; shift += 8) byte(size >> shift & 255u);
    return *this;
  }
  const Wire& bytes() const { return out_; }

 private:
  Session& op(unsigned action, unsigned client) { return byte(action | client << 3); }
  Session& byte(unsigned value) {
    out_.push_back(static_cast<std::byte>(value));
    return *this;
  }
  Wire out_;
};

void sessions(const std::string& folder) {
  using namespace engine::testing;
  Message limited = add_esp(0x2112);
  limited.hard = Lifetime{0, 1000, 100, 50};
  limited.soft = Lifetime{0, 500, 80, 40};
  limited.idle = Lifetime{0, 0, 50, 10};
  Message update = request(Type::update, SaType::esp, 0x2112);
  update.hard = Lifetime{0, 0, 200, 0};
  Message get = request(Type::get, SaType::esp, 0x2112);
  Message del = request(Type::del, SaType::esp, 0x2112);
  const Message dump = request(Type::dump, SaType::unspec);

  write(folder + "/life", Session()
                              .send(limited)
                              .charge(true, 0x2112, 2, 600)
                              .wait(45)
                              .send(update)
                              .send(get)
                              .wait(60)
                              .wait_long(1)
                              .send(dump, 1)
                              .pull(1)
                              .pull(1)
                              .bytes());
  write(folder + "/delete", Session()
                                .send(add_esp(1))
                                .send(add_ah(1))
                                .send(dump)
                                .pull()
                                .send(del)
                                .send(get)
                                .send(request(Type::flush, SaType::ah))
                                .pull()
                                .pull()
                                .bytes());

  Message out = add_esp(0x10), in = reversed(add_esp(0x20));
  out.sa->flags = kFlagOutbound, in.sa->flags = kFlagInbound | kFlagPaired;
  in.pair = Pair{0x10};
  Message both = request(Type::x_delpair, SaType::esp, 0x10);
  Message pair = request(Type::x_updatepair, SaType::esp, 0x10);
  pair.hard = Lifetime{0, 0, 300, 0};
  write(folder + "/pair", Session()
                              .send(out)
                              .send(in)
                              .send(pair)
                              .send(request(Type::get, SaType::esp, 0x10))
                              .send(both)
                              .send(dump)
                              .pull()
                              .bytes());

  Message getspi = request(Type::getspi, SaType::esp);
  getspi.src = engine::testing::endpoint("192.0.2.1");
  getspi.dst = engine::testing::endpoint("192.0.2.2");
  getspi.spi_range = SpiRange{0x100, 0x1ff};
  Message ereg = request(Type::reg, SaType::unspec);
  ereg.extended_register = ExtendedRegister{{2, 3, 0, 0}};
  Message failed = request(Type::acquire, SaType::esp);
  failed.error = 12;
  write(folder + "/manager", Session()
                                 .send(request(Type::reg, SaType::esp))
                                 .send(ereg, 1)
                                 .acquire(3)
                                 .acquire(3)
                                 .send(getspi)
                                 .send(failed, 1)
                                 .wait(20)
                                 .acquire(3)
                                 .wait(100)
                                 .reopen(1)
                                 .bytes());

  Message inverse = request(Type::x_inverse_acquire, SaType::unspec);
  inverse.src = engine::testing::endpoint("192.0.2.1"), inverse.dst = engine::testing::endpoint("192.0.2.2");
  write(folder + "/listen", Session()
                                .send(request(Type::x_promisc, SaType{1}), 2)
                                .send(add_esp(5))
                                .send(inverse)
                                .send(request(Type::x_delpair_state, SaType::esp, 5))
                                .send(dump, 1)
                                .send(dump, 1)
                                .send(request(Type::x_promisc, SaType::unspec), 2)
                                .pull(1)
                                .bytes());
  Message tunnel = samples::tunnel_sa();
  tunnel.type = Type::add;
  tunnel.current.reset(), tunnel.pair.reset(), tunnel.replay_value.reset();
  tunnel.sa->auth = 0, tunnel.sa->flags = kFlagTunnel | kFlagOutbound;
  tunnel.auth_key.reset();
  tunnel.encrypt_key = samples::key(160, 0, "00112233445566778899aabbccddeeffa1b2c3d4");
  write(folder + "/tunnel", Session().send(tunnel).send(samples::everything()).send(dump).pull().bytes());
}

// A SADB's answers, in the form that reply.cc reads: several messages in a row.
void replies(const std::string& folder) {
  const auto row = [&](const std::string& name, std::initializer_list<const Message*> list) {
    Wire all;
    for (const Message* m : list) {
      const Wire one = wire(*m);
      all.insert(all.end(), one.begin(), one.end());
    }
    write(folder + "/" + name, all);
  };
  Message sa = samples::tunnel_sa(), partner = samples::tunnel_sa();
  partner.sa->spi = 0x2113, partner.pair = Pair{0x2112};
  std::swap(partner.src, partner.dst);
  row("pair", {&sa, &partner});
  Message refused = samples::header(Type::add, SaType::esp, 1, 2);
  refused.error = 22, refused.diagnostic = 18, refused.remark = Remark{"\x1b[2J\nipseckey: all is well\x9b"};
  row("refusal-with-escapes", {&refused});
  sa.src_identity = Identity{IdentityType::fqdn, 0,
                             "\x9b"
                             "1m\xff\nadd esp\""};
  sa.remark = Remark{"half\nof it\x1b[0m"};
  sa.hard = sa.soft = sa.current = Lifetime{UINT32_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
  sa.replay_value = ReplayValue{0, UINT64_MAX};
  row("hostile-texts-and-numbers", {&sa});
  sa.encrypt_key = Key{2048, 0, Secret(256)}, sa.initial_iv = Key{64, 0, Secret(8)};
  row("key-and-iv-too-long", {&sa});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs(
        "usage: fuzz_seeds FOLDER    Writes FOLDER/message/*, FOLDER/engine/* and FOLDER/reply/*; all must exist.\n",
        stderr);
    return 2;
  }
  messages(std::string(argv[1]) + "/message");
  sessions(std::string(argv[1]) + "/engine");
  replies(std::string(argv[1]) + "/reply");
  return 0;
}
