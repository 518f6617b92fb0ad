// Writes the corpora of the kernel's messages and of the memory kept for a restart again: fuzz_outside_seeds FOLDER.
#include <linux/xfrm.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "engine/testing.h"
#include "kernel/detail/xfrm_encode.h"
#include "kernel/fake_kernel.h"
#include "pfkey/codec.h"
#include "pfkey/test_samples.h"
#include "vault_parts.h"

using namespace ipseckey;

namespace {

using namespace kernel;
using kernel::testing::Datagram;
using kernel::testing::Octets;

void write(const std::filesystem::path& path, std::uint8_t first, Bytes rest) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file.put(static_cast<char>(first));
  for (const std::byte b : rest) file.put(static_cast<char>(b));
}

pfkey::Message rich() {
  pfkey::Message m = engine::testing::add_esp(0x2112);
  m.soft = pfkey::Lifetime{1, 2, 3, 4}, m.hard = pfkey::Lifetime{5, 6, 7, 8};
  m.reqid = pfkey::Number{9}, m.if_id = pfkey::Number{10}, m.mark = pfkey::Mark{0x10, 0xf0};
  m.replay_window = pfkey::ReplayWindow{64}, m.replay_value = pfkey::ReplayValue{.low = 4711};
  m.inner_src = engine::testing::endpoint("10.1.0.0", 16), m.inner_dst = engine::testing::endpoint("10.2.0.0", 24);
  m.src_identity = pfkey::Identity{pfkey::IdentityType::fqdn, 3, "a.example"};
  return m;
}

// A request describes an SA as the kernel does, except for the front.
Octets payload(const pfkey::Message& m) {
  NetlinkBatch batch;
  xfrm::put_sa(m, XFRM_MSG_NEWSA, {3, 0}, batch);
  const Bytes all = batch.bytes().subspan(sizeof(nlmsghdr));
  return {all.begin(), all.end()};
}

Octets framed(std::uint16_t type, const Octets& front, const Octets& rest) {
  Octets all = front;
  all.insert(all.end(), rest.begin(), rest.end());
  return Datagram().message(type, 0, 1, all).octets();
}

void kernel_datagrams(const std::filesystem::path& folder) {
  const Octets sa = payload(rich());
  pfkey::Message plain = engine::testing::add_esp(7);
  pfkey::Message ah = engine::testing::add_ah(8);
  write(folder / "new", 0, framed(XFRM_MSG_NEWSA, {}, sa));
  write(folder / "three", 0,
        Datagram()
            .message(XFRM_MSG_NEWSA, 0, 0, payload(plain))
            .message(XFRM_MSG_UPDSA, 0, 0, payload(ah))
            .message(XFRM_MSG_FLUSHSA, 0, 0, Octets(sizeof(xfrm_usersa_flush), std::byte{50}))
            .octets());
  write(folder / "expire", 0, framed(XFRM_MSG_EXPIRE, {}, sa));
  NetlinkBatch name;
  xfrm::put_name(rich(), XFRM_MSG_DELSA, name);
  Octets deletion(name.bytes().begin() + sizeof(nlmsghdr), name.bytes().end());
  write(folder / "delete", 0, framed(XFRM_MSG_DELSA, {}, deletion));
  Octets acquire(sizeof(xfrm_user_acquire));
  acquire[3] = std::byte{2}, acquire[20] = std::byte{50};
  write(folder / "acquire", 0, framed(XFRM_MSG_ACQUIRE, {}, acquire));
  write(folder / "mapping", 0, framed(XFRM_MSG_MAPPING, {}, Octets(sizeof(xfrm_user_mapping), std::byte{2})));
  NetlinkBatch replay;
  xfrm::put_replay(sa, 77, 0, replay);
  Octets ae(replay.bytes().begin() + sizeof(nlmsghdr), replay.bytes().end());
  write(folder / "replay", 0, framed(XFRM_MSG_NEWAE, {}, ae));
  write(folder / "dump", 1, Datagram().message(XFRM_MSG_NEWSA, NLM_F_MULTI, 1, sa).done(1).octets());
  write(folder / "interrupted", 1,
        Datagram().message(XFRM_MSG_NEWSA, NLM_F_MULTI | NLM_F_DUMP_INTR, 1, sa).done(1).octets());
  write(folder / "verdicts", 2, Datagram().verdict(1, 0).verdict(2, 22, "a reason").octets());
}

void vault(const std::filesystem::path& folder) {
  ipsecd::Vault::Parts parts = parts_of({}, {});
  // An empty one: the layout's number, without records.
  const Octets front = [] {
    Octets out(64);
    constexpr std::uint64_t kMagic = 0x3156445345535049;
    std::memcpy(out.data(), &kMagic, sizeof kMagic);
    return out;
  }();
  parts = parts_of(front, {});
  const ipsecd::Vault::Parts later = copies(parts);
  {
    auto made = ipsecd::Vault::take_over(std::move(parts), [](std::string_view) {}).value();
    made->each([](engine::Kept&&) {});
    engine::Options options;
    options.keeper = made.get();
    engine::Engine engine(std::move(options));
    const auto nobody = [](engine::Audience, pfkey::Message&&) {};
    for (std::uint32_t spi : {1u, 2u, 3u}) {
      engine.handle(engine::testing::add_esp(spi), engine::testing::at(0), nobody);
      auto live = made->numbers_of({pfkey::SaType::esp, spi, *parse_address("192.0.2.2")});
      live->number = spi, live->begun = 1;
    }
    engine.handle(rich(), engine::testing::at(0), nobody);
    engine.handle(engine::testing::request(pfkey::Type::del, pfkey::SaType::esp, 2), engine::testing::at(0), nobody);
  }
  const auto content = [&](int part, std::size_t most) {
    Octets all(most);
    all.resize(static_cast<std::size_t>(pread(later[static_cast<std::size_t>(part)].get(), all.data(), most, 0)));
    return all;
  };
  const Octets records = content(0, 4096), numbers = content(1, 1024);
  Octets all(8);
  const std::uint64_t size = records.size();
  std::memcpy(all.data(), &size, sizeof size);
  all.insert(all.end(), records.begin(), records.end());
  all.insert(all.end(), numbers.begin(), numbers.end());
  write(folder / "three", 0, all);
  Octets none(8);
  const std::uint64_t front_size = front.size();
  std::memcpy(none.data(), &front_size, sizeof front_size);
  none.insert(none.end(), front.begin(), front.end());
  write(folder / "empty", 0, none);
  write(folder / "nothing", 0, Octets(8));
  Octets wire(pfkey::kMaxMessageSize);
  wire.resize(pfkey::encode(rich(), wire).value_or(0));
  write(folder / "message", 1, wire);
  wire.resize(pfkey::kMaxMessageSize);
  wire.resize(pfkey::encode(pfkey::samples::tunnel_sa(), wire).value_or(0));
  write(folder / "tunnel", 1, wire);
  wire.resize(pfkey::kMaxMessageSize);
  wire.resize(pfkey::encode(pfkey::samples::everything(), wire).value_or(0));
  write(folder / "everything", 1, wire);
}

}  // namespace

int main(int, char** argv) {
  const std::filesystem::path root = argv[1];
  kernel_datagrams(root / "kernel");
  vault(root / "vault");
  return 0;
}
