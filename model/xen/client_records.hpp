// Records of the clients of the timer core: scheduler, guests, their interrupts, suspend. Ids 340 to 399.
#pragma once

#include <array>

#include "ticklab/sim/record.hpp"

namespace ticklab::xen {

inline constexpr sim::RecordKind kVcpuSwitchRecord{340,
                                                   "xen",
                                                   "vcpu_switch",
                                                   "sched",
                                                   sim::TimelineShape::kInstant,
                                                   {},
                                                   "a CPU goes on with another vCPU, or with none",
                                                   {{"from", sim::OperandType::kObject},
                                                    {"to", sim::OperandType::kObject},
                                                    {"waited_ns", sim::OperandType::kUnsigned}}};
inline constexpr sim::RecordKind kVcpuRunnableRecord{
    341,
    "xen",
    "vcpu_runnable",
    "sched",
    sim::TimelineShape::kInstant,
    {},
    "a vCPU was queued to run",
    {{"vcpu", sim::OperandType::kObject}, {"on", sim::OperandType::kCpu}}};
inline constexpr sim::RecordKind kVcpuStopRecord{
    342,
    "xen",
    "vcpu_stop",
    "sched",
    sim::TimelineShape::kInstant,
    {},
    "a vCPU blocked, was paused or destroyed",
    {{"vcpu", sim::OperandType::kObject}, {"why", sim::OperandType::kName}}};
inline constexpr sim::RecordKind kVcpuMoveRecord{
    343,
    "xen",
    "vcpu_move",
    "sched",
    sim::TimelineShape::kInstant,
    {},
    "a vCPU was given to another CPU",
    {{"vcpu", sim::OperandType::kObject}, {"from", sim::OperandType::kCpu}, {"to", sim::OperandType::kCpu}}};
inline constexpr sim::RecordKind kEventPostRecord{
    344,
    "xen",
    "event_post",
    "sched",
    sim::TimelineShape::kInstant,
    {},
    "an event was posted to a vCPU: 0 timer, 1 other, 2 and up interrupts",
    {{"vcpu", sim::OperandType::kObject},
     {"event", sim::OperandType::kUnsigned},
     {"coalesced", sim::OperandType::kBool}}};
inline constexpr sim::RecordKind kEventTakeRecord{
    345,
    "xen",
    "event_take",
    "sched",
    sim::TimelineShape::kInstant,
    {},
    "a guest took an event",
    {{"vcpu", sim::OperandType::kObject}, {"event", sim::OperandType::kUnsigned}}};
inline constexpr sim::RecordKind kHypercallRecord{
    346,
    "xen",
    "hypercall",
    "sched",
    sim::TimelineShape::kInstant,
    {},
    "a guest called the hypervisor",
    {{"vcpu", sim::OperandType::kObject}, {"call", sim::OperandType::kName}}};
inline constexpr sim::RecordKind kHypercallRefusedRecord{
    347,
    "xen",
    "hypercall_refused",
    "sched",
    sim::TimelineShape::kInstant,
    {},
    "a call was not honoured",
    {{"vcpu", sim::OperandType::kObject}, {"why", sim::OperandType::kName}}};
inline constexpr sim::RecordKind kGuestIrqRecord{
    348,
    "xen",
    "guest_irq",
    "irq",
    sim::TimelineShape::kInstant,
    {},
    "an interrupt was delivered to the guests that are bound to it; how many had not handled the last one",
    {{"irq", sim::OperandType::kUnsigned},
     {"guests", sim::OperandType::kUnsigned},
     {"slow", sim::OperandType::kUnsigned}}};
inline constexpr sim::RecordKind kIrqLineRecord{
    349,
    "xen",
    "irq_line",
    "irq",
    sim::TimelineShape::kInstant,
    {},
    "an interrupt line was opened or closed at the controller",
    {{"irq", sim::OperandType::kUnsigned}, {"open", sim::OperandType::kBool}}};
inline constexpr sim::RecordKind kGuestEoiRecord{
    350,
    "xen",
    "guest_eoi",
    "irq",
    sim::TimelineShape::kInstant,
    {},
    "an EOI of guests was done, by force if the timer did it",
    {{"irq", sim::OperandType::kUnsigned}, {"forced", sim::OperandType::kBool}}};
inline constexpr sim::RecordKind kIrqBindRecord{
    351,
    "xen",
    "irq_bind",
    "irq",
    sim::TimelineShape::kInstant,
    {},
    "a guest was bound to an interrupt, or no longer is",
    {{"irq", sim::OperandType::kUnsigned}, {"guest", sim::OperandType::kUnsigned}, {"bound", sim::OperandType::kBool}}};
inline constexpr sim::RecordKind kSuspendRecord{352,
                                                "xen",
                                                "suspend",
                                                "scenario",
                                                sim::TimelineShape::kInstant,
                                                {},
                                                "the system went to sleep, or woke up",
                                                {{"asleep", sim::OperandType::kBool}}};
inline constexpr sim::RecordKind kCalibrationRecord{353,
                                                    "xen",
                                                    "calibration",
                                                    "timer",
                                                    sim::TimelineShape::kInstant,
                                                    {},
                                                    "the periodic calibration of time ran",
                                                    {{"count", sim::OperandType::kUnsigned}}};
inline constexpr sim::RecordKind kRcuIdleRecord{354,
                                                "xen",
                                                "rcu_idle",
                                                "timer",
                                                sim::TimelineShape::kInstant,
                                                {},
                                                "the RCU idle timer found callbacks to run",
                                                {{"callbacks", sim::OperandType::kUnsigned}}};
inline constexpr sim::RecordKind kDumpRecord{
    355,
    "xen",
    "timer_dump",
    "scenario",
    sim::TimelineShape::kInstant,
    {},
    "a CPU's timer queues were printed",
    {{"owner", sim::OperandType::kCpu}, {"timers", sim::OperandType::kUnsigned}}};

inline constexpr std::array kClientRecordKinds{
    kVcpuSwitchRecord, kVcpuRunnableRecord,     kVcpuStopRecord, kVcpuMoveRecord, kEventPostRecord, kEventTakeRecord,
    kHypercallRecord,  kHypercallRefusedRecord, kGuestIrqRecord, kIrqLineRecord,  kGuestEoiRecord,  kIrqBindRecord,
    kSuspendRecord,    kCalibrationRecord,      kRcuIdleRecord,  kDumpRecord};

}  // namespace ticklab::xen
