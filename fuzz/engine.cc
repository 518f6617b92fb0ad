// A session of several clients with the key engine, time included: steps of one byte, then a message or a number.
// Nothing may crash, every request that requires an answer gets one, and everything that is sent can be encoded.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "engine/keysock.h"
#include "engine/testing.h"
#include "must.h"
#include "pfkey/codec.h"

using namespace ipseckey;

namespace {

using namespace pfkey;

constexpr unsigned kClients = 3;
constexpr std::size_t kMaxSteps = 200;

class World {
 public:
  World() : keysock_(options(packets_)) {
    for (auto& id : clients_) id = keysock_.open();
  }

  void run(Reader& in) {
    for (std::size_t steps = 0; in.remaining() > 0 && steps < kMaxSteps; ++steps) step(in);
    for (const auto client : clients_) pull(client, 100'000);
    request(clients_[0], whole_flush());
    MUST(keysock_.engine().size() == 0);
    MUST(dumped(clients_[0]) == 0);
  }

 private:
  enum Action : std::uint8_t { kMessage, kMessageAgain, kTime, kLongTime, kPull, kReopen, kCharge, kAcquire };

  static engine::Options options(engine::testing::CountedPackets& packets) {
    engine::Options o;
    o.carrier = &packets;
    o.is_local = [](const Address& a) { return a.octets[3] == std::byte{1}; };
    o.random = [n = std::uint32_t{0}]() mutable { return n += 0x9e3779b9; };
    return o;
  }

  static Message whole_flush() {
    Message m;
    m.type = Type::flush, m.seq = 1, m.pid = 1;
    return m;
  }

  void step(Reader& in) {
    std::uint8_t op = 0;
    in.host(op);
    auto& client = clients_[(op >> 3) % kClients];
    switch (static_cast<Action>(op & 7)) {
      case kMessage:
      case kMessageAgain:
        return bytes(client, in);
      case kTime:
      case kLongTime:
        return wait(in, (op & 7) == kTime ? 1 : 600);
      case kPull:
        return pull(client, 3);
      case kReopen:
        keysock_.close(client);
        client = keysock_.open();
        return;
      case kCharge:
        return charge(in);
      case kAcquire:
        return acquire(in);
    }
  }

  // The message's own header has its length; a wrong one is corrected, so that mutations go deeper.
  void bytes(engine::ClientId client, Reader& in) {
    std::array<std::byte, kHeaderSize> head{};
    in.bytes(head);
    if (!in.ok()) return;
    std::uint16_t units = 0;
    Reader length(Bytes(head).subspan(4));
    length.host(units);
    const std::size_t body = std::min(in.remaining() / 8, std::size_t{units < 2 ? 0u : units - 2u}) * 8;
    std::vector<std::byte> wire(head.size() + body);
    std::ranges::copy(head, wire.begin());
    std::ranges::copy(in.take(body), wire.begin() + head.size());
    Writer(MutableBytes(wire).subspan(4)).host(static_cast<std::uint16_t>(wire.size() / 8));
    auto m = decode(wire);
    if (m) return request(client, std::move(*m));
    answers_ = 0;
    keysock_.reject(client, m.error(), [&](engine::ClientId to, const Message& sent) { hear(client, to, sent); });
    MUST(answers_ > 0);
  }

  void request(engine::ClientId client, Message m) {
    const bool notice = m.type == Type::acquire;
    const bool dump = m.type == Type::dump;
    answers_ = 0;
    keysock_.handle(client, std::move(m), now_,
                    [&](engine::ClientId to, const Message& sent) { hear(client, to, sent); });
    MUST(answers_ > 0 || notice || (dump && keysock_.dumping(client)));
  }

  void wait(Reader& in, unsigned unit) {
    std::uint8_t amount = 0;
    in.host(amount);
    now_ = now_ + std::chrono::seconds(amount * unit);
    keysock_.expire(now_, [&](engine::ClientId to, const Message& sent) { hear(to, to, sent); });
    const auto deadline = keysock_.deadline();
    MUST(!deadline || *deadline > now_.steady);
  }

  void pull(engine::ClientId client, int messages) {
    for (; messages > 0 && keysock_.dumping(client); --messages)
      keysock_.next_dumped(client, [&](engine::ClientId to, const Message& sent) { hear(client, to, sent); });
  }

  // SAs that a DUMP of everything shows.
  std::size_t dumped(engine::ClientId client) {
    Message m = whole_flush();
    m.type = Type::dump;
    request(client, std::move(m));
    std::size_t count = 0;
    while (keysock_.dumping(client))
      keysock_.next_dumped(client, [&](engine::ClientId to, const Message& sent) {
        count += to == client && sent.sa;
        hear(client, to, sent);
      });
    return count;
  }

  void charge(Reader& in) {
    engine::SaId id;
    std::uint8_t satype = 0, last = 0;
    std::uint32_t size = 0;
    in.host(satype);
    in.net(id.spi);
    in.host(last);
    in.host(size);
    id.satype = satype % 2 == 0 ? SaType::ah : SaType::esp;
    id.dst.octets = {std::byte{192}, std::byte{0}, std::byte{2}, std::byte{last}};
    packets_.charge(keysock_.engine(), id, size, last % 2 == 0, now_,
                    [&](engine::Audience, Message&& sent) { sound(sent); });
  }

  void acquire(Reader& in) {
    std::uint8_t last = 0;
    in.host(last);
    engine::Wanted wanted;
    wanted.satype = last % 2 == 0 ? SaType::ah : SaType::esp;
    wanted.src.address.octets = {std::byte{192}, std::byte{0}, std::byte{2}, std::byte{1}};
    wanted.dst.address.octets = {std::byte{192}, std::byte{0}, std::byte{2}, std::byte{last}};
    keysock_.acquire(wanted, now_, [&](engine::ClientId to, const Message& sent) { hear(to, to, sent); });
  }

  void hear(engine::ClientId asker, engine::ClientId to, const Message& sent) {
    answers_ += asker == to;
    sound(sent);
  }

  // Whatever is sent fits into a message and decodes to the same.
  static void sound(const Message& sent) {
    static std::vector<std::byte> buffer(kMaxMessageSize);
    const auto size = encode(sent, buffer);
    MUST(size);
    const auto read = decode(Bytes(buffer).first(*size));
    MUST(read);
    MUST(*read == sent);
  }

  engine::testing::CountedPackets packets_;
  engine::Keysock keysock_;
  std::array<engine::ClientId, kClients> clients_{};
  Instant now_{std::chrono::seconds(5000), std::chrono::sys_seconds(std::chrono::seconds(1'700'000'000))};
  int answers_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Reader in(std::as_bytes(std::span(data, size)));
  World().run(in);
  return 0;
}
