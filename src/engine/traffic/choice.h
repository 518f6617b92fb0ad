#pragma once
/// Which SA protects a packet that leaves: the newest mature one whose selectors match, tunnel before transport.
///
/// SAs with the same mode and addresses are a Group, newest first. Groups are found by hash once for each shape, a mode
/// with two prefix lengths, that any SA has; there are few of those, however many SAs there are.
#include <atomic>
#include <memory>
#include <vector>

#include "engine/traffic/epoch.h"
#include "engine/traffic/flow.h"
#include "engine/traffic/lookup.h"

namespace engine::traffic {

class Choice {
 public:
  Choice();
  ~Choice();
  Choice(const Choice&) = delete;
  Choice& operator=(const Choice&) = delete;

  /// Within an Epochs::Guard. Dying SAs are taken only where no mature one matches; nullptr: none matches.
  Flow* find(const Headers& h) const;

  // The writer's.
  void insert(Flow& flow, Epochs& epochs);
  void erase(Flow& flow, Epochs& epochs);

 private:
  struct Shape {
    bool tunnel;
    Family family;
    std::uint8_t src_prefix, dst_prefix;
    mutable std::size_t groups;  // The writer's alone.
    bool operator==(const Shape& other) const;
  };
  struct Key {
    bool tunnel;
    std::uint8_t src_prefix, dst_prefix;
    Address src, dst;
    bool operator==(const Key&) const = default;
  };
  struct Group {
    Key key;
    std::uint32_t hash;
    std::atomic<Flow*> newest{nullptr};
  };
  using Shapes = std::vector<Shape>;

  static Key key_of(const Flow& flow);
  static std::uint32_t hash_of(const Key& key);
  Group* group(const Key& key) const;
  void publish(Shapes shapes, Epochs& epochs);

  Lookup<Group> groups_;
  std::atomic<const Shapes*> shapes_;  // Tunnel shapes first.
};

}  // namespace engine::traffic
