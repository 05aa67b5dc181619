# CW_WITH_CUDA: --with-cuda=auto|yes|no|DIR. Finds the CUDA toolkit's compiler, headers and static runtime, in DIR or in
# $CUDA_HOME, the path, /usr/local/cuda. Sets the conditional HAVE_CUDA and substitutes NVCC, NVCC_CODE (for which
# devices), CUDA_CPPFLAGS, CUDA_LIBDIR and CUDART_LIBS. $CUDA_ARCHITECTURES ("90", "75 80") replaces the devices that
# code is made for; the last one's is added as PTX, for devices to come.
AC_DEFUN([CW_WITH_CUDA], [
AC_ARG_WITH([cuda],
  [AS_HELP_STRING([--with-cuda=auto|yes|no|DIR], [build bert_cuda; DIR: where the CUDA toolkit is @<:@auto@:>@])],
  [], [with_cuda=auto])
AC_ARG_VAR([NVCC], [the CUDA compiler])
AC_ARG_VAR([CUDA_HOME], [where the CUDA toolkit is])
AC_ARG_VAR([CUDA_ARCHITECTURES], [devices to make CUDA code for @<:@75 80 86 89 90@:>@])
have_cuda=no
cw_cuda_lacks=
AS_IF([test "x$with_cuda" != xno], [
  AS_CASE([$with_cuda],
    [auto|yes],
      [AS_IF([test -z "$NVCC"], [
         cw_cuda_path=$PATH$PATH_SEPARATOR/usr/local/cuda/bin
         AS_IF([test -n "$CUDA_HOME"], [cw_cuda_path=$CUDA_HOME/bin$PATH_SEPARATOR$cw_cuda_path])
         AC_PATH_PROG([NVCC], [nvcc], [], [$cw_cuda_path])])],
    [NVCC=$with_cuda/bin/nvcc])
  AS_IF([test -n "$NVCC" && test -x "$NVCC"], [
    # The toolkit is where nvcc says, which may be a wrapper elsewhere.
    CUDA_ROOT=`"$NVCC" --dryrun -x cu /dev/null 2>&1 | sed -n 's/^#\$ TOP=//p'`
    AS_IF([test -z "$CUDA_ROOT"], [CUDA_ROOT=`dirname "$NVCC"`/..])
    CUDA_ROOT=`cd "$CUDA_ROOT" && pwd`
    CUDA_LIBDIR=
    for cw_dir in lib64 lib targets/x86_64-linux/lib targets/sbsa-linux/lib; do
      AS_IF([test -z "$CUDA_LIBDIR" && test -f "$CUDA_ROOT/$cw_dir/libcudart_static.a"],
        [CUDA_LIBDIR=$CUDA_ROOT/$cw_dir])
    done
    AS_IF([test -z "$CUDA_LIBDIR"], [cw_cuda_lacks="libcudart_static.a in $CUDA_ROOT"],
      [test ! -f "$CUDA_ROOT/include/cublas_v2.h"], [cw_cuda_lacks="cublas_v2.h in $CUDA_ROOT/include"])
  ], [cw_cuda_lacks="nvcc (tried ${NVCC:-the path, \$CUDA_HOME and /usr/local/cuda})"])
  AS_IF([test -z "$cw_cuda_lacks"], [
    AC_MSG_CHECKING([what devices $NVCC makes code for])
    NVCC_CODE=
    cw_cuda_known=`"$NVCC" --list-gpu-code 2>/dev/null`
    cw_cuda_used=
    for cw_arch in ${CUDA_ARCHITECTURES:-75 80 86 89 90}; do
      AS_CASE([" "`echo $cw_cuda_known`" "], [*" sm_$cw_arch "*],
        [NVCC_CODE="$NVCC_CODE -gencode arch=compute_$cw_arch,code=sm_$cw_arch"
         cw_cuda_used="$cw_cuda_used $cw_arch"
         cw_cuda_last=$cw_arch])
    done
    AS_IF([test -n "$NVCC_CODE"],
      [NVCC_CODE="$NVCC_CODE -gencode arch=compute_$cw_cuda_last,code=compute_$cw_cuda_last"
       AC_MSG_RESULT([$cw_cuda_used and PTX])],
      [AC_MSG_RESULT([none of those wanted])
       cw_cuda_lacks="code for any of ${CUDA_ARCHITECTURES:-75 80 86 89 90}: $NVCC --list-gpu-code lists what it makes"])
  ])
  AS_IF([test -z "$cw_cuda_lacks"], [
    AC_MSG_CHECKING([whether $NVCC works with $CC])
    cat > conftest.cu <<'_ACEOF'
#include <cuda_runtime.h>
static __global__ void fill(int *x) { x[[threadIdx.x]] = 1; }
extern "C" void launch(int *x) { fill<<<1, 32>>>(x); }
_ACEOF
    AS_IF(["$NVCC" -std=c++17 -c conftest.cu -o conftest.o >&AS_MESSAGE_LOG_FD 2>&1],
      [AC_MSG_RESULT([yes])
       have_cuda=yes],
      [AC_MSG_RESULT([no])
       cw_cuda_lacks="a host compiler that nvcc works with (config.log has its words)"])
    rm -f conftest.cu conftest.o
  ])
  AS_IF([test "x$have_cuda" = xno && test "x$with_cuda" != xauto],
    [AC_MSG_ERROR([--with-cuda=$with_cuda: not found: $cw_cuda_lacks; --without-cuda builds without bert_cuda])])
])
CUDA_CPPFLAGS="-isystem $CUDA_ROOT/include"
CUDART_LIBS="-Wl,$CUDA_LIBDIR/libcudart_static.a -lrt -lpthread -ldl"
# A compiler cache serves both compilers.
NVCC_LAUNCHER=
AS_CASE([$CC], [ccache\ * | */ccache\ *], [NVCC_LAUNCHER=`echo "$CC" | sed 's/ .*//'`])
AC_SUBST([NVCC_LAUNCHER])
AC_SUBST([NVCC_CODE])
AC_SUBST([CUDA_CPPFLAGS])
AC_SUBST([CUDA_LIBDIR])
AC_SUBST([CUDART_LIBS])
AM_CONDITIONAL([HAVE_CUDA], [test "x$have_cuda" = xyes])
])
