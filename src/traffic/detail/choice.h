#pragma once
/// Which SA protects an outbound packet: the newest mature one whose selectors match, tunnel before transport.
///
/// SAs with the same mode and selectors form a Group: a packet that one of them covers is covered by all. Groups are
/// found by hash, once for each shape in use: a mode, two prefix lengths, and which of protocol and ports are
/// specified. There are few shapes, whatever the number of SAs.
#include <absl/functional/function_ref.h>

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "traffic/detail/epoch.h"
#include "traffic/detail/flow.h"
#include "traffic/detail/lookup.h"

namespace ipseckey::traffic {

class Choice {
 public:
  Choice();
  ~Choice();
  Choice(const Choice&) = delete;
  Choice& operator=(const Choice&) = delete;

  /// Call within an Epochs::Guard. Dying SAs are used only if no mature one matches; nullptr: none matches.
  Flow* find(const Headers& h) const;
  /// The same, but only among the SAs for which `is` returns true.
  Flow* find(const Headers& h, absl::FunctionRef<bool(const Flow&)> is) const;
  /// Call within an Epochs::Guard. Whether a tunnel of the family is limited to certain ports or types of ICMP.
  bool names_ports(Family family) const;
  /// The number of groups looked up and SAs inspected for that.
  std::size_t effort(const Headers& h) const;

  // For the writer only.
  void insert(Flow& flow, Epochs& epochs);
  void erase(Flow& flow, Epochs& epochs);
  /// The SA became dying, or mature again.
  void sort(Flow& flow);

 private:
  struct Shape {
    bool tunnel;
    Family family;
    std::uint8_t src_prefix, dst_prefix;
    bool protocol, src_port, dst_port;  // Whether they are specified.
    mutable std::size_t groups;         // For the writer only.
    bool operator==(const Shape& other) const;
  };
  struct Key {
    bool tunnel;
    Selectors selectors;  // Their addresses masked.
    bool operator==(const Key&) const = default;
  };
  struct Group {
    Key key;
    std::uint32_t hash;
    std::array<std::atomic<Flow*>, Flow::kAges> newest{};
  };
  using Shapes = std::vector<Shape>;

  static Key key_of(const Flow& flow);
  static Shape shape_of(const Key& key);
  static std::uint32_t hash_of(const Key& key);
  /// The parts of the packet's selectors that the shape specifies; nullopt: the packet lacks one of them.
  static std::optional<Key> key_of(const Headers& h, const Shape& shape);
  static void link(Group& group, Flow& flow);
  static void unlink(Group& group, Flow& flow, bool dying);
  Group* group(const Key& key) const;
  void publish(Shapes shapes, Epochs& epochs);
  template <class Is>
  Flow* find_if(const Headers& h, Is is) const;
  template <class Count, class Is>
  Flow* search(const Headers& h, Count count, Is is) const;

  Lookup<Group> groups_;
  std::atomic<const Shapes*> shapes_;          // Tunnel shapes first.
  std::atomic<std::uint64_t> rejuvenated_{0};  // The number of SAs that were dying and are mature again.
};

}  // namespace ipseckey::traffic
