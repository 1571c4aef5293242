// A high-resolution timer of one CPU, the host, as the broadcast device where the machine has no other
// (LNT 11.1, 11.3). The host sleeps in no state that stops its timer.
//
// Race: "set-next against a finishing callback" (NOHZ-08)
//  1. CPU 0, the host: the callback has looked at all sleepers and asked for the next event, at 70 ms. It still runs.
//  2. CPU 1 goes idle until 55 ms, which is earlier: it asks for that.
//  3. A set-next that cancels first finds the callback running, and leaves it at that --> recorded 55 ms, armed 70 ms.
//  Wrong: whoever sleeps until before 70 ms takes itself for covered. Guard: start the timer whether its callback runs
//  or not; it stays on the CPU of the callback then, and that CPU looks at its queues again (LHR 4.3).
#pragma once

#include "ticklab/model/linux/broadcast_device.hpp"
#include "ticklab/model/linux/hrtimers.hpp"

namespace ticklab::linux_ {

class HrtimerBroadcast final : public BroadcastDevice {
public:
    /// `handler` is called in the host's clock-event interrupt, nothing locked.
    HrtimerBroadcast(sim::Machine& machine, Hrtimers& hrtimers, const LinuxChanges& changes, EventHandler handler);

    /// Before the first use. [window]
    void set_up(sim::Cpu& cpu);

    std::string_view name() const override { return "hrtimer"; }
    bool hosted() const override { return true; }
    sim::CpuId host() const override { return next_event_ == kKtimeMax ? sim::kNoCpu : host_; }
    sim::CpuId target() const override { return host_; }
    KtimeSpan min_delta() const override { return KtimeSpan::zero(); }

private:
    bool set(sim::Cpu& cpu, Ktime expires, Ktime now, sim::CpuId target, bool force) override;
    void start(sim::Cpu& cpu, Ktime expires);
    void start_unless_running(sim::Cpu& cpu, Ktime expires);
    static HrtimerRestart callback(sim::Cpu& cpu, Hrtimer& timer, void* argument);

    Hrtimers& hrtimers_;
    LinuxChanges changes_;
    EventHandler handler_;
    Hrtimer timer_;
    sim::CpuId host_ = sim::kNoCpu;
    /// Without NOHZ-08: what the callback that runs goes on with when it returns.
    Ktime restart_at_ = kKtimeMax;
};

}  // namespace ticklab::linux_
