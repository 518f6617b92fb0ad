// A client of ipsecd that bench/control measures with:
//   fill COUNT [FIRST]          adds ESP SAs (AES-CBC, HMAC-SHA-256) without limits
//   get|delete TABLE COUNT      COUNT of them, drawn from TABLE, one request at a time: prints microseconds for each
//   probe                       asks for an SA that does not exist, again and again until standard input ends: prints
//   the
//                               number of answers and the longest wait in milliseconds
//   storm COUNT                 adds SAs that all expire within the same second, and listens: prints the EXPIREs that
//                               came, those missed, and the longest wait of another client's request meanwhile
// SPIs and addresses are those of bench/make_keys.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "backend/channel.h"
#include "pfkey/notices.h"

namespace {

using namespace ipseckey;
using backend::Channel;
using backend::Outcome;
using pfkey::Message;
using pfkey::Type;
using Clock = std::chrono::steady_clock;

[[noreturn]] void give_up(std::string_view why) {
  fmt::print(stderr, "control_client: {}\n", why);
  std::exit(1);
}

double since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

pfkey::Endpoint at(std::initializer_list<unsigned> octets) {
  pfkey::Endpoint e;
  std::ranges::transform(octets, e.address.octets.begin(), [](unsigned o) { return static_cast<std::byte>(o & 0xff); });
  return e;
}

Message about(Type type, std::uint32_t n) {
  Message m;
  m.type = type, m.satype = pfkey::SaType::esp;
  m.sa = pfkey::Sa{.spi = 0x1000 + n, .state = pfkey::State::mature};
  m.dst = at({10, 1 + (n >> 16 & 0xff) % 254, n >> 8, n});
  return m;
}

Message addition(std::uint32_t n) {
  Message m = about(Type::add, n);
  m.sa->auth = 5, m.sa->encrypt = 12;
  m.src = at({10, 0, 0, 1});
  Secret key(16), hash(32);
  for (std::size_t i = 0; i < 4; ++i) key.bytes()[i] = hash.bytes()[i] = static_cast<std::byte>((n + 1) >> 8 * i);
  key.bytes()[5] = hash.bytes()[5] = std::byte{1};
  m.encrypt_key = pfkey::Key{128, 0, std::move(key)};
  m.auth_key = pfkey::Key{256, 0, std::move(hash)};
  return m;
}

void wait(const Channel& channel, short events) {
  pollfd p{channel.fd(), events, 0};
  if (::poll(&p, 1, 60'000) == 0) give_up("ipsecd does not answer");
}

class Client {
 public:
  explicit Client(const std::string& path)
      : channel_([&] {
          auto made = Channel::connect(path, std::chrono::seconds(10));
          if (!made) give_up(made.error().text);
          return std::move(*made);
        }()) {}

  /// Waits for the answer to one request; news before it is dropped.
  Message ask(Message&& m) {
    send(std::move(m));
    flush();
    for (Message reply;;)
      if (receive(reply) && reply.seq == seq_ && reply.pid == kPid) return reply;
  }
  /// `most` requests at a time; each must succeed.
  void ask_all(std::uint32_t count, std::uint32_t most, const std::function<Message(std::uint32_t)>& request) {
    std::uint32_t sent = 0, answered = 0;
    for (Message reply; answered < count;) {
      for (; sent < count && sent - answered < most; ++sent) send(request(sent));
      flush();
      if (!receive(reply) || reply.pid != kPid) continue;
      if (reply.error != 0) give_up(fmt::format("request {} failed: errno {}", answered, reply.error));
      ++answered;
    }
  }
  /// False: nothing is there, or nothing came for a minute.
  bool receive(Message& m, bool waits = true) {
    for (;;) {
      const auto got = channel_.receive(m);
      if (!got || *got == Outcome::gone) give_up("the connection has ended");
      if (*got == Outcome::done) return true;
      if (!waits) return false;
      wait(channel_, POLLIN);
    }
  }

 private:
  static constexpr std::uint32_t kPid = 77;

  void send(Message&& m) {
    m.seq = ++seq_, m.pid = kPid;
    while (channel_.send(m).value() == Outcome::again) wait(channel_, POLLOUT | POLLIN);
  }
  void flush() {
    while (channel_.flush().value() == Outcome::again) wait(channel_, POLLOUT);
  }

  Channel channel_;
  std::uint32_t seq_ = 0;
};

// The longest wait of a request, milliseconds, until `ended`.
double probe(Client& client, const std::function<bool()>& ended, std::size_t& asked) {
  double longest = 0;
  for (asked = 0; !ended(); ++asked) {
    const auto begin = Clock::now();
    client.ask(about(Type::get, UINT32_MAX / 2));
    longest = std::max(longest, since(begin) * 1000);
  }
  return longest;
}

bool input_has_ended(int milliseconds) {
  pollfd p{STDIN_FILENO, POLLIN, 0};
  return ::poll(&p, 1, milliseconds) > 0;
}

void single(const std::string& path, Type type, std::uint32_t table, std::uint32_t count) {
  Client client(path);
  // A step that has no factor in common with the table visits each once.
  std::uint32_t n = 0, step = table / 2 * 2 / 3 | 1;
  while (std::gcd(step, table) != 1) step += 2;
  std::vector<double> rounds;
  constexpr std::uint32_t kRound = 100;
  for (std::uint32_t done = 0; done < count; done += kRound) {
    const auto begin = Clock::now();
    for (std::uint32_t i = 0; i < kRound; ++i, n = (n + step) % table)
      if (client.ask(about(type, n)).error != 0) give_up("an SA is missing");
    rounds.push_back(since(begin) * 1e6 / kRound);
  }
  std::ranges::nth_element(rounds, rounds.begin() + static_cast<std::ptrdiff_t>(rounds.size() / 2));
  fmt::print("{:.2f}\n", rounds[rounds.size() / 2]);
}

void storm(const std::string& path, std::uint32_t count) {
  const auto seconds = 6 + count / 100'000;
  const auto start = Clock::now();
  {
    Client filler(path);
    filler.ask_all(count, 2000, [&](std::uint32_t n) {
      Message m = addition(n);
      // Rounded up, so all expire in the second after the `seconds`th.
      m.hard = pfkey::Lifetime{.addtime = seconds - static_cast<unsigned>(since(start))};
      m.idle = pfkey::Lifetime{.addtime = 10ul * seconds};
      return m;
    });
  }
  if (since(start) > seconds - 1) give_up("the SAs were added too slowly");
  Client listener(path), other(path);
  std::atomic<bool> ended = false;
  std::size_t asked = 0;
  double longest = 0;
  std::jthread prober([&] { longest = probe(other, [&] { return ended.load(); }, asked); });
  std::uint64_t expired = 0, missed = 0;
  Clock::time_point first, last;
  for (Message m; expired + missed < count;) {
    listener.receive(m);
    if (const auto lost = pfkey::messages_lost(m)) missed += *lost;
    if (m.type != Type::expire || !m.hard) continue;
    if (expired++ == 0) first = Clock::now();
    last = Clock::now();
  }
  ended = true;
  prober.join();
  fmt::print("{} {} {:.2f} {} {:.2f}\n", expired, missed, longest, asked,
             std::chrono::duration<double>(last - first).count());
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  const auto number = [&](std::size_t i) {
    return i < args.size() ? static_cast<std::uint32_t>(std::strtoul(args[i].c_str(), nullptr, 10)) : 0;
  };
  if (args.size() < 2) give_up("usage: control_client SOCKET fill|get|delete|probe|storm ...");
  if (args[1] == "fill") {
    Client client(args[0]);
    client.ask_all(number(2), 2000, [&](std::uint32_t n) { return addition(number(3) + n); });
  } else if (args[1] == "get" || args[1] == "delete") {
    single(args[0], args[1] == "get" ? Type::get : Type::del, number(2), number(3));
  } else if (args[1] == "probe") {
    Client client(args[0]);
    std::size_t asked = 0;
    const double longest = probe(client, [] { return input_has_ended(0); }, asked);
    fmt::print("{} {:.2f}\n", asked, longest);
  } else if (args[1] == "storm") {
    storm(args[0], number(2));
  }
  return 0;
}
