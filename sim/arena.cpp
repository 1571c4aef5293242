#include "ticklab/sim/arena.hpp"

#include <cstdlib>
#include <cstring>

#include "ticklab/sim/cpu.hpp"
#include "ticklab/sim/machine.hpp"
#include "ticklab/sim/machine_records.hpp"

namespace ticklab::sim {

/// Stands before each block. Freed blocks stay, poisoned, to the end of the run: nothing else gets their address.
struct Arena::Header {
    static constexpr std::uint64_t kLive = 0x4152454e41ull;
    static constexpr std::uint64_t kFreed = 0x4652454544ull;

    std::size_t index;  // in blocks_
    std::size_t bytes;
    std::uint64_t state;
    std::uint64_t padding;

    void* memory() { return this + 1; }
    static Header* of(void* memory) { return static_cast<Header*>(memory) - 1; }
};

Arena::~Arena() {
    for (Header* block : blocks_)
        std::free(block);
}

void* Arena::allocate_at_boot(std::size_t bytes) {
    void* const block = std::calloc(1, sizeof(Header) + bytes);
    if (!block)
        throw std::bad_alloc();
    auto* const header = static_cast<Header*>(block);
    header->index = blocks_.size();
    header->bytes = bytes;
    header->state = Header::kLive;
    blocks_.push_back(header);
    live_bytes_ += bytes;
    ++live_count_;
    return header->memory();
}

void* Arena::allocate(Cpu& cpu, std::size_t bytes, const Site& site, bool atomic) {
    if (!atomic && (!cpu.irqs_enabled() || cpu.in_irq()))
        cpu.fail(checks::kIrqContext, "memory allocated with interrupts off");
    cpu.sync();
    bool fails = false;
    if (failing_ != 0) {
        --failing_;
        fails = true;
    } else if (fail_one_in_ != 0) {
        fails = cpu.machine().choices().one_in(site, cpu.choice_context(), fail_one_in_);
    }
    if (fails) {
        ++failures_;
        cpu.record(kAllocationFailed, bytes);
        return nullptr;
    }
    return allocate_at_boot(bytes);
}

void Arena::free(Cpu& cpu, void* memory) {
    Header* const header = Header::of(memory);
    const bool known = header->index < blocks_.size() && blocks_[header->index] == header;
    if (!known || header->state != Header::kLive)
        cpu.fail(checks::kDoubleFree, known ? "memory freed twice" : "memory that was never allocated is freed");
    header->state = Header::kFreed;
    std::memset(memory, kPoison, header->bytes);
    live_bytes_ -= header->bytes;
    --live_count_;
}

}  // namespace ticklab::sim
