#pragma once
/// The SADB of an ipsecd, over its Unix socket.
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "backend/backend.h"
#include "backend/channel.h"

namespace ipseckey::backend {

/// A client of ipsecd. Requests are pipelined: as many are on their way as the socket holds, while replies are read.
/// After a connection is lost, the next call opens a new one.
class Socket : public Backend {
 public:
  static constexpr std::chrono::milliseconds kPatience{10'000};

  /// Connects to the ipsecd at `path`. A call fails with timeout when nothing moves for `patience`. When `stop_fd` is
  /// readable (-1: never) somebody wants an end: a DUMP is given up, other requests get a second for their replies.
  static Result<std::unique_ptr<Socket>> connect(std::string path, std::chrono::milliseconds patience = kPatience,
                                                 int stop_fd = -1);

  std::string name() const override { return "ipsecd:" + path_; }
  std::uint32_t process() const override { return channel_ ? channel_->peer() : 0; }
  bool idles() const override { return true; }
  ~Socket() override;
  Result<void> call(std::span<pfkey::Message> requests, const Reply& reply) override;
  /// Sends as much as the socket takes.
  Result<void> start(std::span<pfkey::Message> requests, const Reply& reply) override;
  Result<void> finish() override;
  /// On the same connection, so that its replies and its news stay in order.
  Result<std::unique_ptr<Listener>> listen(bool promiscuous) override;

 private:
  Socket(Channel channel, std::chrono::milliseconds patience, int stop_fd);

  class Exchange;

  Result<void> reconnect();
  /// Ends the connection, so that no late answer is taken for an answer to something else.
  std::unexpected<Error> give_up(Error error);
  Result<void> begin(std::span<pfkey::Message> requests, const Reply& reply, int stop_fd);
  /// Gives the reply.
  Result<pfkey::Message> set_promiscuous(bool on);

  std::string path_;
  std::chrono::milliseconds patience_;
  int stop_fd_;
  std::optional<Channel> channel_;
  std::uint32_t promisc_seq_ = 0;
  std::unique_ptr<Exchange> started_;

  class Ear;
  Ear* ear_ = nullptr;  // The one that listens.
};

}  // namespace ipseckey::backend
