# Draws curves.png and curves.svg: the learning curves of a run. To draw them again, after changing what you
# like: gnuplot curves.gnuplot
#
# curves.dat     the numbers: a block for each line, of columns x, value, low, high, smoothed value
# curves.panels  what to draw where, in columns separated by tabs: kind, panel, a, b, way, text
#   figure  number of panels, largest x, length of the longest name of a level, -, title
#   panel   panel, top of the axis (NaN: automatic), whether it names the stages, -, title
#   line    panel, block in curves.dat, number within the panel, how it is drawn, name; "smoothed": a long
#           line; "bars": two points with intervals; "band": points with an interval; "points"
#   level   panel, value, place of the name, -, name of another agent
#   stage   0, x, 0, -, name of the algorithm that begins there

set datafile separator "\t"
set datafile commentschars ""
stats 'curves.panels' using 0 nooutput
n = STATS_records
array kind[n]; array panel[n]; array a[n]; array b[n]; array way[n]; array words[n]
k = 0
stats 'curves.panels' using (k = k + 1, kind[k] = strcol(1), panel[k] = $2, a[k] = $3, b[k] = $4, \
  way[k] = strcol(5), words[k] = strcol(6), k) nooutput
set datafile separator whitespace
set datafile commentschars

panels = int(panel[1])
end = a[1]
is(i, what, p) = kind[i] eq what && panel[i] == p
drawn(i, what, x) = way[i] eq what ? x : NaN
name(i, what) = way[i] eq what ? words[i] : ''
x_of_bar(x, number) = x + 0.012 * number * end - 0.024 * number * x # bars of several lines are moved apart
# Okabe and Ito's colours, which the colour-blind can tell apart, and the same at 30% on white.
colour(number) = word('#0072B2 #D55E00 #009E73 #CC79A7 #E69F00 #56B4E9', 1 + int(number) % 6)
pale(number) = word('#B2D5E8 #F2CFB2 #B2E2D5 #F0D7E5 #F8E2B2 #CCE8F8', 1 + int(number) % 6)

set border 3
set tics nomirror
set grid linetype 1 linewidth 0.5 linecolor rgb '#E4E4E4'
set key at graph 0, graph 1.02 left bottom Left reverse vertical maxrows 2 samplen 2 font 'Sans,9'
set xlabel 'updates' offset 0,0.5
set lmargin 9
set rmargin b[1] + 3
set tmargin 5
do for [format in 'png svg'] {
  if (format eq 'png') {
    set terminal pngcairo noenhanced size 1200,800 font 'Sans,10'
  } else {
    set terminal svg noenhanced size 1200,800 font 'Sans,10' background rgb 'white'
  }
  set output 'curves.'.format
  set multiplot layout (panels > 2 ? 2 : 1), (panels > 1 ? 2 : 1) title words[1] font 'Sans,15'
  set xrange [-0.01 * end : 1.01 * end]
  do for [p=1:panels] {
    unset label
    unset arrow
    set yrange [*:*]
    stages = 0
    last = 0
    first = 1
    do for [i=2:n] {
      if (is(i, 'panel', p)) {
        set title words[i] font 'Sans,12' offset 0,1.6
        if (a[i] == a[i]) { set yrange [0:a[i]] }
        names = b[i]
      }
      if (is(i, 'level', p)) {
        set label words[i] at graph 1.015, first b[i] textcolor rgb '#555555' font 'Sans,9'
      }
      if (is(i, 'line', p)) {
        last = i
        first = b[i] == 0 ? i : first
      }
      if (kind[i] eq 'stage') {
        stages = stages + 1
        if (stages > 1) {
          set arrow from a[i], graph 0 to a[i], graph 1 nohead dashtype 3 linecolor rgb '#999999'
        }
        if (names == 1) {
          set label words[i] at a[i], graph 0.96 offset 0.5,0 textcolor rgb '#777777' font 'Sans,9'
        }
      }
    }
    plot NaN notitle, \
      for [i=2:n] (is(i, 'level', p) ? a[i] : NaN) with lines dashtype (8,5) linewidth 1.2 \
        linecolor rgb '#777777' notitle, \
      for [i=first:last] 'curves.dat' index int(a[i]) using (drawn(i, 'band', $1)):3:4 with filledcurves \
        linecolor rgb colour(b[i]) fillstyle transparent solid 0.15 noborder notitle, \
      for [i=first:last] '' index int(a[i]) using (drawn(i, 'smoothed', $1)):2 with lines linewidth 1 \
        linecolor rgb pale(b[i]) notitle, \
      for [i=first:last] '' index int(a[i]) using (drawn(i, 'smoothed', $1)):5 with lines linewidth 2.5 \
        linecolor rgb colour(b[i]) title name(i, 'smoothed'), \
      for [i=first:last] '' index int(a[i]) using (drawn(i, 'bars', x_of_bar($1, b[i]))):2:3:4 \
        with yerrorbars linewidth 2 pointtype 7 pointsize 0.9 linecolor rgb colour(b[i]) title name(i, 'bars'), \
      for [i=first:last] '' index int(a[i]) using (drawn(i, 'band', $1)):2 with linespoints linewidth 2 \
        pointtype 7 pointsize 0.7 linecolor rgb colour(b[i]) title name(i, 'band'), \
      for [i=first:last] '' index int(a[i]) using (drawn(i, 'points', $1)):2 with linespoints linewidth 2 \
        pointtype 7 pointsize 0.7 linecolor rgb colour(b[i]) title name(i, 'points')
  }
  unset multiplot
  set output
}
