#include "ticklab/model/linux/hotplug.hpp"

#include "ticklab/model/linux/records.hpp"
#include "ticklab/model/linux/sites.hpp"

namespace ticklab::linux_ {

using sim::Cpu;
using sim::CpuId;
using sim::HotplugSection;
namespace flag = timer_flags;

void TimerWheel::prepare(Cpu& cpu, CpuId target) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    // Before, a base went on with the clock and the next expiry of the CPU's last life.
    if (!parameters_.changes.bases_reset_in_prepare)
        return;
    for (std::size_t i = 0; i < kBasesPerCpu; ++i) {
        TimerBase& b = base(target, static_cast<BaseIndex>(i));
        const Jiffies now = time_.jiffies(cpu);
        b.wheel.reset(now);
        b.clk_seen = now;
        b.next_expiry.write_once(cpu, b.wheel.next_expiry().count());
        b.is_idle.write_once(cpu, false);
    }
    cpu.record(kTimersPrepareRecord, target);
}

std::uint64_t TimerWheel::take_over_dead(Cpu& cpu, CpuId victim) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const sim::Frame frame(cpu, "timers dead");
    std::uint64_t moved = 0;
    for (std::size_t i = 0; i < kBasesPerCpu; ++i) {
        TimerBase& to = base(cpu.id(), static_cast<BaseIndex>(i));
        TimerBase& from = base(victim, static_cast<BaseIndex>(i));
        cpu.at(sites::kTimersDeadBeforeLock);
        const bool irqs = to.lock.acquire_irqsave(cpu);
        from.lock.acquire_nested(cpu, 1);
        // Else the distances are those from a clock that stood still while the receiver slept.
        if (parameters_.changes.receiver_forwarded)
            forward(cpu, to);
        cpu.require(!from.running.peek(), "a callback of a dead CPU's base runs");
        for (unsigned bucket = 0; bucket < from.wheel.bucket_count(); ++bucket)
            while (!from.wheel.bucket(bucket).empty()) {
                Timer& t = from.wheel.bucket(bucket).front();
                detach(cpu, from, t, false);
                write_flags(cpu, t, (t.flags & ~flag::kBaseMask) | to.cpu);
                const sim::Cause armed_by = t.armed_by;
                t.armed_on = to.cpu;
                enqueue(cpu, to, t, bucket_for(to, t.expires));
                t.armed_by = armed_by;
                ++from.counters.moved_away;
                ++moved;
            }
        from.lock.release(cpu);
        unlock(cpu, to);
        cpu.irq_restore(irqs);
    }
    return moved;
}

std::vector<sim::HotplugState> make_hotplug_states(const HotplugParts& parts) {
    std::vector<sim::HotplugState> states;
    states.push_back({"softirq:dead", HotplugSection::kPrepare, {}, [&softirqs = parts.softirqs](Cpu&, Cpu& target) {
                          softirqs.forget(target.id());
                          return true;
                      }});
    states.push_back({"timers:prepare", HotplugSection::kPrepare,
                      [&wheel = parts.wheel](Cpu& on, Cpu& target) {
                          if (std::optional<Broken> broken = check_drained(wheel, target.id()))
                              on.fail(*broken->check, std::move(broken->message));
                          wheel.prepare(on, target.id());
                          return true;
                      },
                      [&wheel = parts.wheel](Cpu& on, Cpu& target) {
                          const std::uint64_t moved = wheel.take_over_dead(on, target.id());
                          on.record(kTimersDeadRecord, target.id(), on.id(), moved);
                          return true;
                      }});
    states.push_back({"tmigr:prepare",
                      HotplugSection::kPrepare,
                      [&migration = parts.migration](Cpu& on, Cpu& target) {
                          const sim::CodeScope code(on, sim::Code::kTimer);
                          return migration.prepare(on, target.id());
                      },
                      {}});
    if (parts.broadcast)
        states.push_back(
            {"cpu:bringup", HotplugSection::kPrepare, {}, [broadcast = parts.broadcast](Cpu& on, Cpu& target) {
                 broadcast->pull_from(on, target.id());
                 return true;
             }});
    if (parts.balancer) {
        states.push_back({"nohz_balancer", HotplugSection::kPrepare,
                          [balancer = parts.balancer](Cpu& on, Cpu& target) {
                              balancer->prepare(on, target.id());
                              return true;
                          },
                          [balancer = parts.balancer](Cpu& on, Cpu& target) {
                              balancer->check_dead(on, target.id());
                              return true;
                          }});
        states.push_back({"idle:dead", HotplugSection::kStarting, {}, [balancer = parts.balancer](Cpu& on, Cpu&) {
                              balancer->last_idle_entry(on);
                              return true;
                          }});
    }
    states.push_back({"smpcfd:dying", HotplugSection::kStarting, {}, [&scheduler = parts.scheduler](Cpu& on, Cpu&) {
                          // What a call wanted here has moved away already.
                          (void)scheduler.take_call(on);
                          scheduler.take_irq_work(on);
                          return true;
                      }});
    states.push_back({"hrtimers:dying", HotplugSection::kStarting,
                      [&hrtimers = parts.hrtimers](Cpu& on, Cpu&) {
                          hrtimers.starting(on);
                          return true;
                      },
                      [&hrtimers = parts.hrtimers](Cpu& on, Cpu&) {
                          hrtimers.dying(on);
                          return true;
                      }});
    // Interrupts of devices move before any of these states; without a state of its own, no record tells of it.
    states.push_back(
        {"tick:dying", HotplugSection::kStarting, {}, [&tick = parts.tick, rtc = parts.rtc](Cpu& on, Cpu&) {
             if (rtc)
                 rtc->dying(on);
             tick.dying(on);
             return true;
         }});
    states.push_back({"tmigr:online", HotplugSection::kOnline,
                      [&migration = parts.migration](Cpu& on, Cpu&) {
                          const sim::CodeScope code(on, sim::Code::kTimer);
                          return migration.set_available(on);
                      },
                      [&migration = parts.migration](Cpu& on, Cpu&) {
                          const sim::CodeScope code(on, sim::Code::kTimer);
                          migration.clear_available(on);
                          return true;
                      }});
    if (parts.tick.nohz_full_in_use())
        states.push_back({"nohz:predown", HotplugSection::kOnline, {}, [](Cpu&, Cpu& target) {
                              return target.id() != TickSched::kPinnedTimekeeper;
                          }});
    if (parts.balancer)
        states.push_back({"sched:active", HotplugSection::kOnline,
                          [balancer = parts.balancer](Cpu& on, Cpu&) {
                              balancer->set_active(on, true);
                              return true;
                          },
                          [balancer = parts.balancer](Cpu& on, Cpu&) {
                              balancer->set_active(on, false);
                              return true;
                          }});
    return states;
}

}  // namespace ticklab::linux_
