// The kernel's irq_vectors trace points on x86: an entry and an exit a vector (TE 3).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "ticklab/model/linux/vectors.hpp"

namespace ticklab::lab {

struct IrqVector {
    std::uint8_t vector;
    std::string_view entry, exit;
};

inline constexpr std::array kIrqVectors{
    IrqVector{linux_::kLocalTimerVector, "local_timer_entry", "local_timer_exit"},
    IrqVector{linux_::kRescheduleVector, "reschedule_entry", "reschedule_exit"},
    IrqVector{linux_::kCallFunctionVector, "call_function_single_entry", "call_function_single_exit"},
    IrqVector{linux_::kIrqWorkVector, "irq_work_entry", "irq_work_exit"},
    IrqVector{linux_::kSpuriousVector, "spurious_apic_entry", "spurious_apic_exit"},
};

}  // namespace ticklab::lab
