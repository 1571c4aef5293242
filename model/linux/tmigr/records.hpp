// Records of the migration hierarchy, ids 640 to 657: the kernel's own trace events, with its names, fields and formats
// (TMM 17), and what a timeline needs beyond them.
//
// The newest format stands for all versions: those before 7.1 have no capacity. Where a field names no group its object
// is 0. The chain that `why` walks: tmigr_update_events (an event was queued) -> tmigr_handle_remote_cpu.
#pragma once

#include <array>

#include "ticklab/sim/record.hpp"

namespace ticklab::linux_::tmigr {

using sim::DrawnAs;
using sim::OperandType;
using sim::RecordKind;
using sim::TimelineShape;

/// The process of a timeline that has the groups' tracks.
inline constexpr std::string_view kHierarchy = "timer migration";

inline constexpr RecordKind kGroupSetRecord{640,
                                            "linux",
                                            "tmigr_group_set",
                                            "timer",
                                            TimelineShape::kInstant,
                                            {},
                                            "a group was created",
                                            {{"group", OperandType::kObject, kHierarchy, DrawnAs::kTrack},
                                             {"lvl", OperandType::kUnsigned, "LVL", DrawnAs::kRank},
                                             {"numa_node", OperandType::kSigned}},
                                            "group=%p lvl=%d numa=%d"};
inline constexpr RecordKind kConnectChildRecord{
    641,
    "linux",
    "tmigr_connect_child_parent",
    "timer",
    TimelineShape::kInstant,
    {},
    "a group was linked to its parent",
    {{"child", OperandType::kObject, kHierarchy, DrawnAs::kTrack},
     {"groupmask", OperandType::kHex},
     {"parent", OperandType::kObject},
     {"lvl", OperandType::kUnsigned},
     {"numa_node", OperandType::kSigned},
     {"capacity", OperandType::kUnsigned},
     {"num_children", OperandType::kUnsigned}},
    "group=%p groupmask=%0x parent=%p lvl=%d numa=%d capacity=%lu num_children=%d"};
inline constexpr RecordKind kConnectCpuRecord{
    642,
    "linux",
    "tmigr_connect_cpu_parent",
    "timer",
    TimelineShape::kInstant,
    {},
    "a CPU was linked to its leaf group",
    {{"cpu", OperandType::kCpu},
     {"groupmask", OperandType::kHex},
     {"parent", OperandType::kObject},
     {"lvl", OperandType::kUnsigned},
     {"numa_node", OperandType::kSigned},
     {"capacity", OperandType::kUnsigned},
     {"num_children", OperandType::kUnsigned}},
    "cpu=%d groupmask=%0x parent=%p lvl=%d numa=%d capacity=%lu num_children=%d"};
inline constexpr RecordKind kGroupActiveRecord{
    643,
    "linux",
    "tmigr_group_set_cpu_active",
    "timer",
    TimelineShape::kInstant,
    {},
    "a child of a group became active",
    {{"group", OperandType::kObject, kHierarchy, DrawnAs::kTrack},
     {"lvl", OperandType::kUnsigned},
     {"numa_node", OperandType::kSigned},
     {"active", OperandType::kHex, "active", DrawnAs::kRow},
     {"migrator", OperandType::kHex, "migrator", DrawnAs::kRow},
     {"parent", OperandType::kObject},
     {"childmask", OperandType::kHex}},
    "group=%p lvl=%d numa=%d active=%0x migrator=%0x parent=%p childmask=%0x"};
inline constexpr RecordKind kGroupInactiveRecord{
    644,
    "linux",
    "tmigr_group_set_cpu_inactive",
    "timer",
    TimelineShape::kInstant,
    {},
    "a child of a group reported that it is inactive",
    {{"group", OperandType::kObject, kHierarchy, DrawnAs::kTrack},
     {"lvl", OperandType::kUnsigned},
     {"numa_node", OperandType::kSigned},
     {"active", OperandType::kHex, "active", DrawnAs::kRow},
     {"migrator", OperandType::kHex, "migrator", DrawnAs::kRow},
     {"parent", OperandType::kObject},
     {"childmask", OperandType::kHex}},
    "group=%p lvl=%d numa=%d active=%0x migrator=%0x parent=%p childmask=%0x"};
inline constexpr RecordKind kCpuActiveRecord{
    645,
    "linux",
    "tmigr_cpu_active",
    "timer",
    TimelineShape::kInstant,
    {},
    "a CPU starts its walk to become active",
    {{"cpu", OperandType::kCpu}, {"parent", OperandType::kObject}, {"wakeup", OperandType::kTimeNs}},
    "cpu=%d parent=%p wakeup=%llu"};
inline constexpr RecordKind kCpuNewTimerRecord{
    646,
    "linux",
    "tmigr_cpu_new_timer",
    "timer",
    TimelineShape::kInstant,
    {},
    "an idle CPU starts its walk with another first timer",
    {{"cpu", OperandType::kCpu}, {"parent", OperandType::kObject}, {"wakeup", OperandType::kTimeNs}},
    "cpu=%d parent=%p wakeup=%llu"};
inline constexpr RecordKind kHandleRemoteCpuRecord{
    647,
    "linux",
    "tmigr_handle_remote_cpu",
    "timer",
    TimelineShape::kInstant,
    {},
    "a CPU's global timers are expired for it",
    {{"cpu", OperandType::kCpu}, {"parent", OperandType::kObject}, {"wakeup", OperandType::kTimeNs}},
    "cpu=%d parent=%p wakeup=%llu"};
inline constexpr RecordKind kCpuAvailableRecord{
    648,
    "linux",
    "tmigr_cpu_available",
    "timer",
    TimelineShape::kInstant,
    {},
    "a CPU takes part in the hierarchy",
    {{"cpu", OperandType::kCpu}, {"parent", OperandType::kObject}, {"wakeup", OperandType::kTimeNs}},
    "cpu=%d parent=%p wakeup=%llu"};
inline constexpr RecordKind kCpuUnavailableRecord{
    649,
    "linux",
    "tmigr_cpu_unavailable",
    "timer",
    TimelineShape::kInstant,
    {},
    "a CPU has left the hierarchy",
    {{"cpu", OperandType::kCpu}, {"parent", OperandType::kObject}, {"wakeup", OperandType::kTimeNs}},
    "cpu=%d parent=%p wakeup=%llu"};
inline constexpr RecordKind kCpuOnlineRecord{
    650,
    "linux",
    "tmigr_cpu_online",
    "timer",
    TimelineShape::kInstant,
    {},
    "a CPU takes part in the hierarchy (name before 6.19)",
    {{"cpu", OperandType::kCpu}, {"parent", OperandType::kObject}, {"wakeup", OperandType::kTimeNs}},
    "cpu=%d parent=%p wakeup=%llu"};
inline constexpr RecordKind kCpuOfflineRecord{
    651,
    "linux",
    "tmigr_cpu_offline",
    "timer",
    TimelineShape::kInstant,
    {},
    "a CPU has left the hierarchy (name before 6.19)",
    {{"cpu", OperandType::kCpu}, {"parent", OperandType::kObject}, {"wakeup", OperandType::kTimeNs}},
    "cpu=%d parent=%p wakeup=%llu"};
inline constexpr RecordKind kCpuIdleRecord{652,
                                           "linux",
                                           "tmigr_cpu_idle",
                                           "timer",
                                           TimelineShape::kInstant,
                                           {},
                                           "a CPU became idle in the hierarchy",
                                           {{"cpu", OperandType::kCpu},
                                            {"parent", OperandType::kObject},
                                            {"nextevt", OperandType::kTimeNs},
                                            {"wakeup", OperandType::kTimeNs}},
                                           "cpu=%d parent=%p nextevt=%llu wakeup=%llu"};
inline constexpr RecordKind kCpuNewTimerIdleRecord{653,
                                                   "linux",
                                                   "tmigr_cpu_new_timer_idle",
                                                   "timer",
                                                   TimelineShape::kInstant,
                                                   {},
                                                   "an idle CPU has looked at its timers again",
                                                   {{"cpu", OperandType::kCpu},
                                                    {"parent", OperandType::kObject},
                                                    {"nextevt", OperandType::kTimeNs},
                                                    {"wakeup", OperandType::kTimeNs}},
                                                   "cpu=%d parent=%p nextevt=%llu wakeup=%llu"};
inline constexpr RecordKind kUpdateEventsRecord{654,
                                                "linux",
                                                "tmigr_update_events",
                                                "timer",
                                                TimelineShape::kInstant,
                                                {},
                                                "a group's queue shows a child's first timer",
                                                {{"child", OperandType::kObject},
                                                 {"group", OperandType::kObject},
                                                 {"group_lvl", OperandType::kUnsigned},
                                                 {"child_active", OperandType::kHex},
                                                 {"group_active", OperandType::kHex},
                                                 {"nextevt", OperandType::kTimeNs},
                                                 {"group_next_expiry", OperandType::kTimeNs},
                                                 {"child_evt_expiry", OperandType::kTimeNs},
                                                 {"child_evtcpu", OperandType::kCpu}},
                                                "child=%p group=%p group_lvl=%d child_active=%0x group_active=%0x "
                                                "nextevt=%llu next_expiry=%llu child_evt_expiry=%llu child_evtcpu=%d"};
inline constexpr RecordKind kHandleRemoteRecord{
    655,
    "linux",
    "tmigr_handle_remote",
    "timer",
    TimelineShape::kInstant,
    {},
    "a migrator looks for expired events of a group",
    {{"group", OperandType::kObject, kHierarchy, DrawnAs::kTrack}, {"lvl", OperandType::kUnsigned}},
    "group=%p lvl=%d"};
inline constexpr RecordKind kRemoteDoneRecord{
    656,
    "linux",
    "tmigr_remote_done",
    "timer",
    TimelineShape::kHidden,
    {},
    "a CPU's global timers were expired for it, and its path shows the next one",
    {{"cpu", OperandType::kCpu}, {"nextevt", OperandType::kTimeNs}}};
/// Whenever the lock of a group is released and the queue is another than it was said to be.
inline constexpr RecordKind kGroupQueueRecord{
    657,
    "linux",
    "tmigr_group_queue",
    "timer",
    TimelineShape::kHidden,
    {},
    "what a group has queued: its next expiry, how many events, ignored ones too, and whose is the first",
    {{"group", OperandType::kObject, kHierarchy, DrawnAs::kTrack},
     {"next_expiry", OperandType::kTimeNs, "next expiry"},
     {"events", OperandType::kUnsigned, "queued events"},
     {"first_cpu", OperandType::kCpu}},
    {},
    sim::DigestClass::kObserver};

inline constexpr std::array kTmigrRecordKinds{
    kGroupSetRecord,     kConnectChildRecord, kConnectCpuRecord,      kGroupActiveRecord,     kGroupInactiveRecord,
    kCpuActiveRecord,    kCpuNewTimerRecord,  kHandleRemoteCpuRecord, kCpuAvailableRecord,    kCpuUnavailableRecord,
    kCpuOnlineRecord,    kCpuOfflineRecord,   kCpuIdleRecord,         kCpuNewTimerIdleRecord, kUpdateEventsRecord,
    kHandleRemoteRecord, kRemoteDoneRecord,   kGroupQueueRecord};

}  // namespace ticklab::linux_::tmigr
