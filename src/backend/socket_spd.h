#pragma once
/// The rules of an ipsecd, over the socket on which it serves its SADB.
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "backend/channel.h"
#include "backend/policy_spd.h"

namespace ipseckey::backend {

/// Requests are pipelined: as many are on their way as the socket holds, while replies are read. After a connection is
/// lost, the next operation opens a new one.
class SocketSpd : public PolicySpd {
 public:
  static constexpr std::chrono::milliseconds kPatience{10'000};

  /// Connects to the ipsecd at `path`. Errors: those of Channel::connect(); timeout when nothing moves for `patience`.
  static Result<std::unique_ptr<SocketSpd>> connect(std::string path, std::chrono::milliseconds patience = kPatience);

  std::string name() const override { return "ipsecd:" + path_; }
  Result<std::unique_ptr<RuleListener>> listen() override;

 private:
  SocketSpd(Channel channel, std::chrono::milliseconds patience);

  Result<void> exchange(std::span<const pfpolicy::Message> requests, Reply reply) override;
  void release() override { channel_.reset(); }
  bool wait(unsigned tries) override;

  std::string path_;
  std::chrono::milliseconds patience_;
  std::optional<Channel> channel_;
};

}  // namespace ipseckey::backend
