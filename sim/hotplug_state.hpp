// CPU hotplug as a table of states (hotplug.md, MA 10).
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace ticklab::sim {

class Cpu;

/// Where and how the callbacks of a state run (CH 1.2).
enum class HotplugSection : std::uint8_t {
    kPrepare,   ///< up and down ("dead") on the control CPU, thread context, target not running
    kStarting,  ///< on the target with interrupts off; down ("dying") inside stop-machine
    kOnline,    ///< on the target's hotplug thread, interrupts on, may sleep
};

/// One state. Callbacks take the CPU they run on and the CPU that goes up or down.
struct HotplugState {
    std::string_view name;
    HotplugSection section;
    /// False refuses the transition and rolls back what was done. Empty functions do nothing.
    std::function<bool(Cpu& on, Cpu& target)> up;
    /// False vetoes going down; only honoured for kOnline (CH 1.1).
    std::function<bool(Cpu& on, Cpu& target)> down;
};

}  // namespace ticklab::sim
