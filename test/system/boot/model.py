"""Explicit-state model of the generation / boot-attempt machine, the oracle of the search in explore.ts.
A generation id IS the pointer epoch (monotone); its content (manifest hash) is separate, so that a rollback
is "new, higher epoch pointing at older content" (capOS rule).  T attempts per candidate: capOS 1, RayOS 3.
Every control write = one superblock rewrite = one atomic step; power loss may happen between any two steps.
  python3 model.py 3 4           3 attempts, 4 pointer epochs: prints states, transitions, boots to stable
  python3 model.py 3 4 NAME      with one planted bug, to its first violation
"""
import sys, itertools, collections
from collections import namedtuple, deque

T = 3            # attempts of a candidate
F = 3            # hard failures of active before golden (RayOS: 3)
MAXE = 4         # pointer epochs 1..MAXE ; 1 = factory
MAXC = 3         # contents 1..MAXC
IDLE, STAGED, ARMED, TRYING = 'IDLE', 'STAGED', 'ARMED', 'TRYING'
GOOD, BAD, FLAKY = 'good', 'bad', 'flaky'
Ctl = namedtuple('Ctl', 'active cand golden phase tries afail cfail hw con bad ring rec present confirmed sel')
W = namedtuple('W', 'ctl mach gen healthy cause msgs')   # mach: off|boot|run|rec
BUG = None
frz = lambda *x: frozenset(x)
def init(): return W(Ctl(1, 0, 1, IDLE, 0, 0, 0, 1, (1,), frz(), (), False, frz(1), frz(1), 1), 'off', 0, False, 'power', frz())
def con(c, g): return c.con[g - 1] if g else 0            # content of a generation
def isbad(c, g): return con(c, g) in c.bad

def select(c, cause):
    """early-boot decision; returns (ctl', gen or 'rec') ; ONE atomic commit"""
    if c.rec: return c, 'rec'
    if c.phase in (ARMED, TRYING):
        if c.phase == TRYING and cause == 'fail' and c.sel == c.cand: c = c._replace(cfail=1)
        if c.tries > 0:
            dec = 0 if BUG == 'no_decrement' else 1
            return c._replace(phase=TRYING, tries=c.tries - dec, sel=c.cand), c.cand
        if BUG == 'boot_zero_tries':                       # systemd #40192
            return c._replace(phase=TRYING, sel=c.cand), c.cand
        # attempts used up: BAD only with evidence (a hard failure); else INCONCLUSIVE
        nb = c.bad | {con(c, c.cand)} if (c.cfail or BUG == 'power_marks_bad') else c.bad
        c = c._replace(bad=nb, cand=0, phase=IDLE, afail=0, cfail=0)
        return c._replace(sel=c.active), c.active
    hard = cause == 'fail' or (BUG == 'count_power' and cause == 'power')
    if hard and c.sel == c.active: c = c._replace(afail=c.afail + 1)
    if c.afail >= F:
        if c.active != c.golden and con(c, c.active) != con(c, c.golden) and not isbad(c, c.golden):
            c = c._replace(bad=c.bad | {con(c, c.active)}, active=c.golden, afail=0)
            if c.cand and (con(c, c.cand) == con(c, c.active) or isbad(c, c.cand)): c = c._replace(cand=0, phase=IDLE, tries=0)
        elif BUG == 'no_recovery': c = c._replace(afail=0)  # greenboot #26 : endless loop
        else: return c._replace(rec=True, afail=0), 'rec'
    return c._replace(sel=c.active), c.active

def do_confirm(c, running):
    if c.phase == TRYING and running == c.cand:
        ring = tuple(g for g in ((c.active,) + c.ring) if g != c.cand)[:3]
        return c._replace(active=c.cand, cand=0, phase=IDLE, tries=0, afail=0, cfail=0, ring=ring,
                          confirmed=c.confirmed | {con(c, running)})
    if running == c.active and c.afail: return c._replace(afail=0)
    return c

def retained(c): return {con(c, g) for g in (c.active, c.golden, c.sel, c.cand) + c.ring if g}
def stale(m): return frozenset((t, a, b, True) for t, a, b, s in m)

def succ(w, types):
    c, m = w.ctl, w.msgs
    if w.mach == 'off':
        c2, g = select(c, w.cause)
        if g == 'rec': yield 'select:recovery', W(c2, 'rec', 0, False, 'power', m)
        else:          yield f'select:{g}', W(c2, 'boot', g, False, 'power', m)
        return
    yield 'powerloss', W(c, 'off', 0, False, 'power', stale(m))
    if w.mach == 'boot':
        ty = types[con(c, w.gen)]
        if ty != BAD:  yield 'ready', w._replace(mach='run')
        if ty != GOOD: yield 'panic', W(c, 'off', 0, False, 'fail', stale(m))
    if w.mach == 'run':
        g = w.gen; ty = types[con(c, g)]
        if not w.healthy:
            if ty != BAD: yield 'health-ok', w._replace(healthy=True, msgs=m | {('confirm', g, 0, False)})
            if ty != GOOD:
                if BUG == 'early_confirm': yield 'early', w._replace(msgs=m | {('confirm', g, 0, False)})
                yield 'health-fail', W(c, 'off', 0, False, 'fail', stale(m))
        for msg in m:
            t, e, x, old = msg; rest = m - {msg}
            if t == 'confirm':
                if old and BUG != 'accept_stale': yield 'confirm:ESTALE', w._replace(msgs=rest)
                else:
                    run = (e if e == c.cand else g) if BUG == 'accept_stale' else g
                    yield 'confirm!', w._replace(ctl=do_confirm(c, run), msgs=rest)
            else:          # stage request (wanted epoch e, content x); may be late or replayed
                ok = (e == c.hw + 1) or (BUG == 'accept_old_epoch' and e <= c.hw)
                if ok and c.phase == IDLE and e <= MAXE and x not in c.bad and x != con(c, c.active) and (x in c.present or x == max(c.con) + 1):
                    cc = c.con + (x,) if e == len(c.con) + 1 else c.con[:e - 1] + (x,) + c.con[e:]
                    yield f'stage:{e}', w._replace(ctl=c._replace(cand=e, phase=STAGED, hw=max(c.hw, e), con=cc, present=c.present | {x}), msgs=rest)
                else: yield 'stage:ESTALE', w._replace(msgs=rest)
        if w.healthy and g == c.active:
            if not any(t == 'stage' for t, *_ in m):
                if c.hw < MAXE:
                    if max(c.con) < MAXC: yield 'req-new', w._replace(msgs=m | {('stage', c.hw + 1, max(c.con) + 1, False)})
                    for r in set(c.ring) | {c.golden}:      # rollback request: higher epoch, older content
                        yield f'req-rollback:{r}', w._replace(msgs=m | {('stage', c.hw + 1, con(c, r), False)})
                if c.hw > 1: yield 'replay', w._replace(msgs=m | {('stage', c.hw, con(c, c.hw), False)})
            if c.phase == STAGED: yield 'arm', w._replace(ctl=c._replace(phase=ARMED, tries=T, cfail=0))
            if c.phase in (STAGED, ARMED): yield 'cancel', w._replace(ctl=c._replace(phase=IDLE, cand=0, tries=0))
            if c.phase == ARMED: yield 'reboot', W(c, 'off', 0, False, 'clean', stale(m))
            if c.phase == IDLE and c.golden != c.active: yield 'promote', w._replace(ctl=c._replace(golden=c.active))
            keep = retained(c) if BUG != 'gc_ring' else {con(c, c.active), con(c, c.sel)}
            for x in c.present - keep: yield f'gc:{x}', w._replace(ctl=c._replace(present=c.present - {x}))
            if c.ring: yield 'ring-drop', w._replace(ctl=c._replace(ring=c.ring[:-1]))
    if w.mach == 'rec':    # operator/installer re-verifies or reinstalls golden
        yield 'rec-reset', W(c._replace(rec=False, afail=0, active=c.golden, cand=0, phase=IDLE, tries=0, cfail=0,
                                        bad=c.bad - {con(c, c.golden)}), 'off', 0, False, 'clean', frz())

def check(w, lab, w2, types):
    c, d = w.ctl, w2.ctl; e = []
    if con(d, d.active) not in d.confirmed: e.append('I2 active not confirmed')
    if con(d, d.active) not in d.present or con(d, d.golden) not in d.present: e.append('I1 active/golden objects missing')
    if d.cand and con(d, d.cand) not in d.present: e.append('I3 candidate objects missing')
    if d.cand and isbad(d, d.cand): e.append('I8 candidate is BAD')
    if d.cand and con(d, d.cand) == con(d, d.active): e.append('I3 candidate = active')
    if any(con(d, x) not in d.present for x in d.ring): e.append('I10 snapshot lost')
    if not 0 <= d.tries <= T: e.append('I12 tries range')
    if d.afail > F: e.append('I12 afail range')
    if (d.phase == IDLE) != (d.cand == 0): e.append('I3 phase/cand')
    if any(types[x] == GOOD for x in d.bad): e.append('I11 healthy generation marked BAD')
    if d.hw < c.hw or d.con[:len(c.con)] != c.con: e.append('I6 pointer history changed')
    if lab == 'confirm!' and d.active != c.active and not (w.healthy and w.gen == d.active and c.phase == TRYING):
        e.append('I5 confirmed without a healthy run of it')
    if lab.startswith('select') and w2.mach == 'boot' and isbad(d, w2.gen): e.append('I8 booted a BAD generation')
    if lab.startswith('select') and d.active != c.active and types[con(c, c.active)] == GOOD: e.append('I11 healthy active abandoned')
    if lab.startswith('stage:') and lab != 'stage:ESTALE' and d.cand <= c.hw: e.append('I6 old pointer epoch accepted')
    if lab.startswith('select') and c.phase in (ARMED, TRYING) and w2.gen == c.cand and d.tries >= c.tries:
        e.append('I4 boot of a candidate without a durable decrement')
    return e

def boots_to_stable(w, types):
    """no operator, no power loss, fixed behaviour: boots until a good generation runs or recovery"""
    n = 0; c, cause = w.ctl, w.cause
    while n < 50:
        c, g = select(c, cause); n += 1
        if g == 'rec' or types[con(c, g)] == GOOD: return n
        cause = 'fail'
    return None

def run(first=False):
    tot = trans = worst = 0; viol = collections.Counter()
    for tt in itertools.product((GOOD, BAD, FLAKY), repeat=MAXC):
        types = dict(enumerate(tt, 1)); hard = {k: (GOOD if v == GOOD else BAD) for k, v in types.items()}
        s0 = init(); seen = {s0}; q = deque([s0])
        while q:
            w = q.popleft()
            if w.mach == 'off':
                n = boots_to_stable(w, hard)
                if n is None:
                    viol['I7 endless boot loop'] += 1
                    if first: return tot + len(seen), trans, worst, viol
                else: worst = max(worst, n)
            for lab, w2 in succ(w, types):
                trans += 1
                for e in check(w, lab, w2, types): viol[e] += 1
                if first and viol: return tot + len(seen), trans, worst, viol
                if w2 not in seen: seen.add(w2); q.append(w2)
        tot += len(seen)
    return tot, trans, worst, viol

BUGS = ['no_decrement', 'boot_zero_tries', 'count_power', 'no_recovery', 'accept_stale', 'early_confirm', 'accept_old_epoch', 'gc_ring', 'power_marks_bad']
if __name__ == '__main__':
    T, MAXE = int(sys.argv[1]), int(sys.argv[2])
    BUG = sys.argv[3] if len(sys.argv) > 3 else None
    states, transitions, boots, violations = run(first=BUG is not None)
    print(states, transitions, boots, *sorted(violations))
