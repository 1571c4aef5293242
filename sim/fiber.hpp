// Stackful fibers on Boost.Context, and the pool of their stacks.
//
// Rules
//  - A run that ends with a verdict abandons its fibers; nothing is unwound (MA 1.4). What a frame then owned on the
//    host's heap is lost for good, so code that is about to fail keeps such things elsewhere; a few hundred bytes a
//    failing run do no harm, and LeakSanitizer is told of them.
//  - Stacks come from slabs: no memory mapping of their own and no guard page each, so that tens of thousands fit the
//    usual limit on mappings. At each wait the depth reached is checked, at the end of a run a canary at the end of
//    each stack.
//  - Stack tops are coloured: shifted by a varying number of cache lines, so that a thousand of them do not share
//    cache sets.
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <cstdint>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define TICKLAB_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TICKLAB_ASAN 1
#endif
#endif

namespace ticklab::sim {

/// Frames are several times larger under AddressSanitizer, and so are stacks.
#ifdef TICKLAB_ASAN
inline constexpr std::size_t kFrameScale = 4;
#else
inline constexpr std::size_t kFrameScale = 1;
#endif

class StackPool {
public:
    /// Bytes of address space of each stack; only touched pages are resident.
    explicit StackPool(std::size_t stack_bytes);
    ~StackPool();
    StackPool(const StackPool&) = delete;
    StackPool& operator=(const StackPool&) = delete;

    struct Stack {
        std::byte* bottom = nullptr;  ///< lowest address
        std::byte* top = nullptr;
    };
    Stack allocate();
    void give_back(Stack stack) { free_.push_back(stack); }
    std::size_t stack_bytes() const { return stack_bytes_; }

private:
    static constexpr std::size_t kStacksPerSlab = 128;
    std::size_t stack_bytes_;
    std::size_t slab_bytes_;
    std::vector<void*> slabs_;
    std::vector<Stack> free_;
    std::size_t used_in_slab_ = kStacksPerSlab;
};

/// A flow of control with a stack of its own. Entered by switching to it; its entry function must not return.
class Fiber {
public:
    using Entry = void (*)(void* argument);

    Fiber() = default;
#ifdef TICKLAB_ASAN
    /// The pool that its stack came from must still be there.
    ~Fiber();
#endif
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    /// Prepares the fiber to run `entry(argument)` at the first switch to it.
    void start(StackPool& pool, Entry entry, void* argument);
    bool started() const { return context_ != nullptr; }
    /// Gives the stack of a fiber that will not be entered again back to the pool.
    void give_back(StackPool& pool);

    /// Leaves the running fiber `from` (this thread of the host is on it now) and continues `to`.
    static void switch_to(Fiber& from, Fiber& to);
    /// Bytes between `address`, on this fiber's stack, and the end of the stack; all there is on the host's own stack.
    std::size_t room_below(const void* address) const {
        return stack_.bottom ? static_cast<std::size_t>(static_cast<const std::byte*>(address) - stack_.bottom)
                             : static_cast<std::size_t>(-1);
    }
    /// Whether the canary at the end of the stack is whole. Always true for the host's own stack.
    bool stack_intact() const;

private:
    static void trampoline(boost::context::detail::transfer_t transfer);

    boost::context::detail::fcontext_t context_ = nullptr;
    Entry entry_ = nullptr;
    void* argument_ = nullptr;
    StackPool::Stack stack_{};
    // For AddressSanitizer: its shadow of this fiber's stack while switched away, and the bounds of the host's own
    // stack.
    [[maybe_unused]] void* fake_stack_ = nullptr;
    struct {
        const void* bottom = nullptr;
        std::size_t size = 0;
    } host_stack_;
};

}  // namespace ticklab::sim
