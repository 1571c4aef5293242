// Records of the tick-less idle load balancer's owner, ids 556 to 559; the kernel traces none of it.
#pragma once

#include <array>

#include "ticklab/sim/record.hpp"

namespace ticklab::linux_ {

inline constexpr sim::RecordKind kBalancerSetRecord{
    556,
    "linux",
    "balancer_set",
    "tick",
    sim::TimelineShape::kInstant,
    {},
    "a CPU joins those for whom the owner of the idle load balancer works, or leaves them",
    {{"member", sim::OperandType::kBool}}};
inline constexpr sim::RecordKind kBalancerOwnerRecord{
    557,
    "linux",
    "balancer_owner",
    "tick",
    sim::TimelineShape::kInstant,
    {},
    "a CPU becomes the owner of the idle load balancer and keeps its tick, or gives that up",
    {{"owns", sim::OperandType::kBool}}};

inline constexpr std::array kBalancerRecordKinds{kBalancerSetRecord, kBalancerOwnerRecord};

}  // namespace ticklab::linux_
