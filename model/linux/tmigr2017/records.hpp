// Records of the proposal of 2017, ids 672 to 680. It was posted without trace events.
#pragma once

#include <array>

#include "ticklab/sim/record.hpp"

namespace ticklab::linux_::tmigr2017 {

using sim::DrawnAs;
using sim::OperandType;
using sim::RecordKind;
using sim::TimelineShape;

/// The process of a timeline that has the groups' tracks.
inline constexpr std::string_view kHierarchy = "timer migration (2017)";

inline constexpr RecordKind kGroupRecord{672,
                                         "linux",
                                         "tmigr2017_group",
                                         "timer",
                                         TimelineShape::kInstant,
                                         {},
                                         "a group was created",
                                         {{"group", OperandType::kObject, kHierarchy, DrawnAs::kTrack},
                                          {"lvl", OperandType::kUnsigned, "LVL", DrawnAs::kRank},
                                          {"numa_node", OperandType::kSigned}}};
inline constexpr RecordKind kParentRecord{
    673,
    "linux",
    "tmigr2017_parent",
    "timer",
    TimelineShape::kInstant,
    {},
    "a group got its parent",
    {{"group", OperandType::kObject, kHierarchy, DrawnAs::kTrack}, {"parent", OperandType::kObject}}};
inline constexpr RecordKind kActiveRecord{674,
                                          "linux",
                                          "tmigr2017_active",
                                          "timer",
                                          TimelineShape::kInstant,
                                          {},
                                          "a child of a group became active",
                                          {{"group", OperandType::kObject, kHierarchy, DrawnAs::kTrack},
                                           {"lvl", OperandType::kUnsigned},
                                           {"cpu", OperandType::kCpu},
                                           {"active", OperandType::kUnsigned, "active", DrawnAs::kRow},
                                           {"migrator", OperandType::kCpu, "migrator", DrawnAs::kRow}}};
inline constexpr RecordKind kInactiveRecord{675,
                                            "linux",
                                            "tmigr2017_inactive",
                                            "timer",
                                            TimelineShape::kInstant,
                                            {},
                                            "a child of a group became inactive, or got another migrator",
                                            {{"group", OperandType::kObject, kHierarchy, DrawnAs::kTrack},
                                             {"lvl", OperandType::kUnsigned},
                                             {"cpu", OperandType::kCpu},
                                             {"active", OperandType::kUnsigned, "active", DrawnAs::kRow},
                                             {"migrator", OperandType::kCpu, "migrator", DrawnAs::kRow}}};
inline constexpr RecordKind kQueueRecord{
    676,
    "linux",
    "tmigr2017_queue",
    "timer",
    TimelineShape::kInstant,
    {},
    "an event was queued in a group",
    {{"group", OperandType::kObject}, {"cpu", OperandType::kCpu}, {"expires", OperandType::kTimeNs}}};
inline constexpr RecordKind kDequeueRecord{
    677,
    "linux",
    "tmigr2017_dequeue",
    "timer",
    TimelineShape::kInstant,
    {},
    "an event left the queue of a group",
    {{"group", OperandType::kObject}, {"cpu", OperandType::kCpu}, {"expires", OperandType::kTimeNs}}};
inline constexpr RecordKind kIdleRecord{
    678,
    "linux",
    "tmigr2017_idle",
    "timer",
    TimelineShape::kInstant,
    {},
    "a CPU told the hierarchy that it is idle",
    {{"cpu", OperandType::kCpu}, {"nextevt", OperandType::kTimeNs}, {"wakeup", OperandType::kTimeNs}}};
inline constexpr RecordKind kRemoteRecord{679,
                                          "linux",
                                          "tmigr2017_remote",
                                          "timer",
                                          TimelineShape::kInstant,
                                          {},
                                          "a CPU's global timers are expired for it",
                                          {{"cpu", OperandType::kCpu}}};
/// Whenever the lock of a group is released and the queue is another than it was said to be.
inline constexpr RecordKind kGroupQueueRecord{
    680,
    "linux",
    "tmigr2017_group_queue",
    "timer",
    TimelineShape::kHidden,
    {},
    "what a group has queued: its first expiry, how many events, and whose is the first",
    {{"group", OperandType::kObject, kHierarchy, DrawnAs::kTrack},
     {"next_expiry", OperandType::kTimeNs, "next expiry"},
     {"events", OperandType::kUnsigned, "queued events"},
     {"first_cpu", OperandType::kCpu}},
    {},
    sim::DigestClass::kObserver};

inline constexpr std::array kTmigr2017RecordKinds{kGroupRecord,    kParentRecord, kActiveRecord,
                                                  kInactiveRecord, kQueueRecord,  kDequeueRecord,
                                                  kIdleRecord,     kRemoteRecord, kGroupQueueRecord};

}  // namespace ticklab::linux_::tmigr2017
