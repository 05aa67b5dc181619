# Draws comparison.png and comparison.svg: the running mean of each agent. A colour is an agent, a dash pattern
# a run, a pale line the agent's fixed estimate. To draw them again, after changing what you like: gnuplot
# comparison.gnuplot
#
# comparison.dat     the numbers: a block for each line, of columns rollout, running mean in percent
# comparison.panels  what to draw where, in columns separated by tabs: kind, panel, a, b, way, text
#   figure  number of panels, rollouts, 0, -, title
#   panel   panel, 0, 0, -, title
#   level   panel, the agent's fixed estimate, number of the agent, -, -
#   line    panel, block in comparison.dat, number of the agent, number of the run, name of the agent

set datafile separator "\t"
set datafile commentschars ""
stats 'comparison.panels' using 0 nooutput
n = STATS_records
array kind[n]; array panel[n]; array a[n]; array b[n]; array way[n]; array words[n]
k = 0
stats 'comparison.panels' using (k = k + 1, kind[k] = strcol(1), panel[k] = $2, a[k] = $3, b[k] = $4, \
  way[k] = strcol(5), words[k] = strcol(6), k) nooutput
set datafile separator whitespace
set datafile commentschars

is(i, what, p) = kind[i] eq what && panel[i] == p
# Okabe and Ito's colours, which the colour-blind can tell apart, and the same at 30% on white.
colour(number) = word('#0072B2 #D55E00 #009E73 #CC79A7 #E69F00 #56B4E9', 1 + int(number) % 6)
pale(number) = word('#B2D5E8 #F2CFB2 #B2E2D5 #F0D7E5 #F8E2B2 #CCE8F8', 1 + int(number) % 6)

set border 3
set tics nomirror
set grid linetype 1 linewidth 0.5 linecolor rgb '#E4E4E4'
set key at graph 0, graph 1.02 left bottom Left reverse vertical maxrows 2 samplen 2 font 'Sans,9'
set xlabel 'rollouts of all agents' offset 0,0.5
set lmargin 9
set rmargin 3
set tmargin 5
do for [format in 'png svg'] {
  if (format eq 'png') {
    set terminal pngcairo noenhanced size 1200,500 font 'Sans,10'
  } else {
    set terminal svg noenhanced size 1200,500 font 'Sans,10' background rgb 'white'
  }
  set output 'comparison.'.format
  set multiplot layout 1,2 title words[1] font 'Sans,15'
  set xrange [0:a[1]]
  set yrange [0:*]
  do for [p=1:2] {
    first = 0
    last = 0
    do for [i=2:n] {
      if (is(i, 'panel', p)) { set title words[i] font 'Sans,12' offset 0,1.6 }
      if (is(i, 'line', p)) {
        last = i
        first = first == 0 ? i : first
      }
    }
    plot for [i=2:n] (is(i, 'level', p) ? a[i] : NaN) with lines linewidth 3 linecolor rgb pale(b[i]) notitle, \
      for [i=first:last] 'comparison.dat' index int(a[i]) using 1:2 with steps linewidth 1.5 \
        dashtype 1 + way[i] linecolor rgb colour(b[i]) title (way[i] eq '0' ? words[i] : '')
  }
  unset multiplot
  set output
}
